#include "engine/matrix.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/text.h"
#include "base/threads.h"
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

// Versions differ little in what they take: one after the other as threads are free.
Result<std::vector<EngineRow>> judge_all(const Subject& reduced,
                                         std::span<const EngineRange> ranges,
                                         const Device& device) {
  std::vector<EngineRow> rows;
  std::vector<std::pair<std::size_t, std::size_t>> asked;  // row and span
  for (const EngineRange& range : ranges) {
    for (std::size_t i = 0; i < range.versions.size(); ++i) asked.emplace_back(rows.size(), i);
    rows.push_back(
        {.engine = range.engine, .spans = std::vector<VersionSpan>(range.versions.size())});
  }
  RQ_CHECK(for_each_parallel(asked.size(), [&](std::size_t i) -> Result<void> {
    const auto [row, place] = asked[i];
    const std::string& version = ranges[row].versions[place];
    RQ_TRY(const auto engine, load_engine({.engine = ranges[row].engine, .version = version}));
    const Judged judged = judge_briefly(*engine, reduced, device);
    rows[row].spans[place] = {
        .since = version, .until = version, .verdict = judged.verdict, .reason = reason_of(judged)};
    return {};
  }));
  return rows;
}

}  // namespace

std::string to_text(const VersionSpan& span) {
  return span.since == span.until ? span.since : span.since + " to " + span.until;
}

Result<EngineRow> judge_versions(const Subject& subject, const std::string& engine,
                                 const Device& device) {
  RQ_TRY(const EngineRange range, range_of(engine));
  const Reduced reduced = reduce(subject);
  RQ_TRY(auto rows, judge_all(reduced.subject(subject), {&range, 1}, device));
  return std::move(rows.front());
}

Result<std::vector<EngineRow>> judge_everywhere(const Subject& subject, const Device& device) {
  const Reduced reduced = reduce(subject);
  return judge_all(reduced.subject(subject), known_ranges(), device);
}

Result<EngineRow> summed_up(const EngineRow& row, const SecondOpinion& opinion) {
  EngineRow sum{.engine = row.engine, .spans = {}};
  for (VersionSpan span : row.spans) {
    if (opinion != nullptr) {
      RQ_TRY(const auto engine, load_engine({.engine = row.engine, .version = span.since}));
      std::string other = opinion(*engine, span.verdict);
      if (!other.empty()) span.reason = std::move(other);
    }
    if (!sum.spans.empty() && sum.spans.back().verdict == span.verdict) {
      sum.spans.back().until = span.until;
      sum.spans.back().reason = std::move(span.reason);
    } else {
      sum.spans.push_back(std::move(span));
    }
  }
  return sum;
}

}  // namespace requant
