#include "engine/matrix.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "engine/judged.h"
#include "engine/reduced.h"

namespace requant {

namespace {

// The first thing that stops the engine, or may.
std::string reason_of(const Judged& judged) {
  for (const Judgement& judgement : judged.judgements) {
    const bool stops =
        judgement.effect == Effect::kReject || judgement.effect == Effect::kRejectUnlessMet;
    if (!stops) continue;
    if (judged.verdict == Verdict::kNo && judgement.truth == Truth::kYes) return judgement.reason;
    if (judged.verdict == Verdict::kUnknown) return "it hangs on " + judgement.unknown;
  }
  return "";
}

Result<EngineRow> row_of(const Subject& reduced, const EngineRange& range, const Device& device,
                         const SecondOpinion& opinion) {
  EngineRow row{.engine = range.engine, .spans = {}};
  for (const std::string& version : range.versions) {
    RQ_TRY(const auto engine, load_engine({.engine = range.engine, .version = version}));
    const Judged judged = judge_briefly(*engine, reduced, device);
    VersionSpan span{
        .since = version, .until = version, .verdict = judged.verdict, .reason = reason_of(judged)};
    if (opinion != nullptr) {
      std::string other = opinion(*engine, span.verdict);
      if (!other.empty()) span.reason = std::move(other);
    }
    if (!row.spans.empty() && row.spans.back().verdict == span.verdict) {
      row.spans.back().until = version;
      row.spans.back().reason = std::move(span.reason);
    } else {
      row.spans.push_back(std::move(span));
    }
  }
  return row;
}

}  // namespace

std::string to_text(const VersionSpan& span) {
  return span.since == span.until ? span.since : span.since + " to " + span.until;
}

Result<EngineRow> check_versions(const Subject& subject, const std::string& engine,
                                 const Device& device, const SecondOpinion& opinion) {
  const auto ranges = known_ranges();
  const auto range = std::find_if(ranges.begin(), ranges.end(),
                                  [&](const EngineRange& r) { return r.engine == engine; });
  if (range == ranges.end()) return usage("no data on an engine named " + in_quotes(engine));
  const Reduced reduced = reduce(subject);
  return row_of(reduced.subject(subject), *range, device, opinion);
}

Result<std::vector<EngineRow>> check_everywhere(const Subject& subject, const Device& device,
                                                const SecondOpinion& opinion) {
  const Reduced reduced = reduce(subject);
  const Subject small = reduced.subject(subject);
  std::vector<EngineRow> rows;
  for (const EngineRange& range : known_ranges()) {
    RQ_TRY(EngineRow row, row_of(small, range, device, opinion));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace requant
