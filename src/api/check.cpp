#include "requant/check.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "api/check_repairs.h"
#include "api/open.h"
#include "base/json.h"
#include "base/text.h"
#include "base/threads.h"
#include "checkpoint/checkpoint.h"
#include "engine/check.h"
#include "engine/engine_data.h"
#include "engine/matrix.h"
#include "engine/memory.h"
#include "engine/pins.h"
#include "rule/run.h"

namespace requant {
namespace {

Json finding_json(const Finding& finding) {
  Json json = Json::object({{"severity", name_of(finding.severity)},
                            {"rule", finding.rule},
                            {"where", finding.where},
                            {"message", finding.message}});
  const auto add = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) json.set(key, text);
  };
  add("expected", finding.expected);
  add("observed", finding.observed);
  add("evidence", finding.evidence);
  add("why", finding.why);
  add("repair", finding.repair);
  return json;
}

// What the catalogue finds; of what is only worth knowing `inspect` tells.
Result<std::vector<Finding>> own_findings(const Checkpoint& checkpoint, const EngineId& engine) {
  std::vector<Finding> findings(checkpoint.findings().begin(), checkpoint.findings().end());
  RQ_TRY(const Neighbours nearest, neighbours_of(engine));
  RQ_TRY(const auto data, load_engine({.engine = engine.engine, .version = nearest.before}));
  RQ_TRY(auto more, run_rules(checkpoint, {.engine = EngineNeeds{
                                               .name = engine.engine + " " + engine.version,
                                               .transformers_major = transformers_major(*data)}}));
  std::erase_if(more, [](const Finding& f) { return f.severity == Severity::kInfo; });
  std::ranges::move(more, std::back_inserter(findings));
  return findings;
}

bool is_drift(const Finding& finding) { return finding.rule.starts_with("drift."); }

// What is wrong with the checkpoint whatever the engine. An error there leaves a yes in doubt; what
// the engine's transformers does not read makes it a no.
void add_own_findings(const std::vector<Finding>& findings, CheckReport& report) {
  bool doubt = false;
  const Finding* unread = nullptr;
  for (const Finding& finding : findings) {
    const bool told = std::any_of(report.findings.begin(), report.findings.end(),
                                  [&](const Finding& f) { return f.rule == finding.rule; });
    if (told) continue;
    const bool is_error = finding.severity == Severity::kError;
    doubt = doubt || is_error;
    if (is_error && is_drift(finding) && unread == nullptr) unread = &finding;
    report.findings.push_back(finding);
  }
  if (unread != nullptr && report.verdict != Verdict::kNo) {
    report.verdict = Verdict::kNo;
    report.summary = unread->where + ": " + unread->message;
  }
  if (doubt && report.verdict == Verdict::kYes) {
    report.verdict = Verdict::kUnknown;
    report.summary = "the engine's rules accept it, but the checkpoint contradicts itself";
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
}

// What the catalogue says against a checkpoint on each generation of transformers, asked once each:
// what is wrong whatever the engine is among `findings`.
class Opinions {
 public:
  Opinions(const Checkpoint& checkpoint, std::span<const Finding> findings)
      : checkpoint_(checkpoint), doubt_(first_error(findings, false)) {}

  std::string operator()(const EngineData& engine, Verdict& verdict) {
    if (verdict == Verdict::kNo) return "";
    const auto major = transformers_major(engine);
    auto known = unread_.find(major);
    if (known == unread_.end()) known = unread_.emplace(major, unread_by(major)).first;
    if (!known->second.empty()) {
      verdict = Verdict::kNo;
      return known->second;
    }
    if (doubt_.empty() || verdict != Verdict::kYes) return "";
    verdict = Verdict::kUnknown;
    return doubt_;
  }

 private:
  static std::string first_error(std::span<const Finding> findings, bool drift) {
    for (const Finding& finding : findings) {
      if (finding.severity != Severity::kError || is_drift(finding) != drift) continue;
      return finding.where + ": " + finding.message;
    }
    return "";
  }

  // What the engine's transformers does not read.
  std::string unread_by(std::optional<int> major) const {
    const auto found = run_rules(
        checkpoint_, {.depth = Depth::kHeaders,
                      .engine = EngineNeeds{.name = "the engine", .transformers_major = major},
                      .only = "drift"});
    return found ? first_error(*found, true) : "";
  }

  const Checkpoint& checkpoint_;
  std::string doubt_;
  std::map<std::optional<int>, std::string> unread_;
};

std::vector<EngineSpan> public_spans(const EngineRow& row) {
  std::vector<EngineSpan> out;
  for (const VersionSpan& span : row.spans) {
    out.push_back({.engine = row.engine,
                   .since = span.since,
                   .until = span.until,
                   .verdict = std::string(name_of(span.verdict)),
                   .reason = span.verdict == Verdict::kYes ? "" : span.reason});
  }
  return out;
}

std::optional<MemoryNeed> memory_need(const Subject& subject, const CheckOptions& options) {
  if (options.context == 0) return std::nullopt;
  const MemoryEstimate estimate = memory_of(subject, options.tensor_parallel, options.context);
  return MemoryNeed{.weight_bytes = estimate.weight_bytes,
                    .cache_known = estimate.cache_known,
                    .cache_bytes = estimate.cache_bytes};
}

Device device_of(const CheckOptions& options) {
  return {.capability = options.capability,
          .tensor_parallel = options.tensor_parallel,
          .cpu = options.cpu};
}

// Pieces of work that know nothing of each other, the longest first: the calling thread has the
// large pages. The error of the first that has one.
Result<void> at_once(const std::vector<std::function<Result<void>()>>& pieces) {
  const auto on_run = [&](std::size_t begin, std::size_t end) -> Result<void> {
    for (std::size_t i = begin; i < end; ++i) RQ_CHECK(pieces[i]());
    return {};
  };
  return try_parallel_for(pieces.size(), 1, thread_limit(), on_run);
}

// The facts on all versions, which are kept once they are read: while the checkpoint is opened.
Result<void> keep_ready(const std::vector<EngineRange>& ranges) {
  for (const EngineRange& range : ranges) {
    for (const std::string& version : range.versions) {
      RQ_CHECK(load_engine({.engine = range.engine, .version = version}));
    }
  }
  return {};
}

Result<void> check_options(const CheckOptions& options) {
  if (options.tensor_parallel < 1) return usage("tensor parallelism starts at 1");
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 32;
  if (options.context < 0 || options.context > kMostTokens) {
    return usage("a context has 1 to 2^32 tokens");
  }
  return {};
}

CheckResult public_result(CheckReport report) {
  return {.verdict = std::string(name_of(report.verdict)),
          .engine = std::move(report.engine.engine),
          .version = std::move(report.engine.version),
          .method = std::move(report.method),
          .summary = std::move(report.summary),
          .needs_capability = report.needs_capability,
          .needs_cpu = std::move(report.needs_cpu),
          .findings = std::move(report.findings),
          .repairs = {},
          .other_versions = {},
          .memory = {}};
}

Json span_json(const EngineSpan& span) {
  Json json = Json::object({{"engine", span.engine},
                            {"since", span.since},
                            {"until", span.until},
                            {"verdict", span.verdict}});
  if (!span.reason.empty()) json.set("reason", span.reason);
  return json;
}

Json spans_json(const std::vector<EngineSpan>& spans) {
  Json list = Json::array();
  for (const EngineSpan& span : spans) list.append(span_json(span));
  return list;
}

Json repair_json(const CheckRepair& repair) {
  Json losses = Json::array();
  for (const std::string& loss : repair.losses) losses.append(loss);
  return Json::object(
      {{"kind", repair.kind}, {"what", repair.what}, {"losses", std::move(losses)}});
}

Json memory_json(const MemoryNeed& memory) {
  Json json = Json::object({{"weight_bytes", memory.weight_bytes}});
  json.set("cache_bytes", memory.cache_known ? Json(memory.cache_bytes) : Json());
  return json;
}

}  // namespace

std::vector<EngineEntry> engines() {
  std::vector<EngineEntry> out;
  for (const EngineInfo& info : known_engines()) {
    out.push_back({.name = info.id.engine + "@" + info.id.version, .source = info.source});
  }
  return out;
}

Result<int> parse_capability(std::string_view text) {
  std::string digits(text.starts_with("sm_") ? text.substr(3) : text);
  if (const auto dot = digits.find('.'); dot != std::string::npos) digits.erase(dot, 1);
  int number = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (problem != std::errc() || end != digits.data() + digits.size() || number < 10 ||
      number > 999) {
    return usage("a GPU is stated as sm_90, not " + in_quotes(text));
  }
  return number;
}

Result<CheckResult> check_checkpoint(const std::filesystem::path& path, std::string_view engine,
                                     const CheckOptions& options) {
  return or_out_of_memory([&]() -> Result<CheckResult> {
    RQ_CHECK(check_options(options));
    EngineId id;
    std::optional<Checkpoint> opened;
    RQ_CHECK(at_once({[&]() -> Result<void> {
                        RQ_TRY(opened, open_checkpoint(path, options.timeout_seconds));
                        return {};
                      },
                      [&]() -> Result<void> {
                        RQ_TRY(id, parse_engine(engine));
                        RQ_TRY(const EngineRange range, range_of(id.engine));
                        return keep_ready({range});
                      }}));
    const Checkpoint& checkpoint = *opened;
    const Subject subject = subject_of(checkpoint);
    const Device device = device_of(options);
    std::vector<Finding> findings;
    CheckReport report;
    EngineRow versions;
    RQ_CHECK(at_once({[&]() -> Result<void> {
                        RQ_TRY(report, check(subject, id, device));
                        RQ_TRY(versions, judge_versions(subject, id.engine, device));
                        return {};
                      },
                      [&]() -> Result<void> {
                        RQ_TRY(findings, own_findings(checkpoint, id));
                        return {};
                      }}));
    add_own_findings(findings, report);
    CheckResult result = public_result(std::move(report));
    RQ_TRY(const EngineRow row, summed_up(versions, Opinions(checkpoint, findings)));
    for (EngineSpan& span : public_spans(row)) {
      if (span.verdict != result.verdict) result.other_versions.push_back(std::move(span));
    }
    RQ_TRY(result.repairs, repairs_of(checkpoint, result, options));
    result.memory = memory_need(subject, options);
    return result;
  });
}

Result<CheckMatrix> check_everywhere(const std::filesystem::path& path,
                                     const CheckOptions& options) {
  return or_out_of_memory([&]() -> Result<CheckMatrix> {
    RQ_CHECK(check_options(options));
    std::optional<Checkpoint> opened;
    RQ_CHECK(at_once({[&]() -> Result<void> {
                        RQ_TRY(opened, open_checkpoint(path, options.timeout_seconds));
                        return {};
                      },
                      [] { return keep_ready(known_ranges()); }}));
    const Checkpoint& checkpoint = *opened;
    const Subject subject = subject_of(checkpoint);
    std::vector<Finding> findings(checkpoint.findings().begin(), checkpoint.findings().end());
    std::vector<EngineRow> rows;
    RQ_CHECK(at_once({[&]() -> Result<void> {
                        RQ_TRY(rows, judge_everywhere(subject, device_of(options)));
                        return {};
                      },
                      [&]() -> Result<void> {
                        RQ_TRY(auto more, run_rules(checkpoint, {.depth = Depth::kHeaders}));
                        std::ranges::move(more, std::back_inserter(findings));
                        return {};
                      }}));
    CheckMatrix matrix{.spans = {}, .memory = memory_need(subject, options)};
    Opinions opinions(checkpoint, findings);
    for (const EngineRow& each : rows) {
      RQ_TRY(const EngineRow row, summed_up(each, std::ref(opinions)));
      std::ranges::move(public_spans(row), std::back_inserter(matrix.spans));
    }
    return matrix;
  });
}

std::string to_json(const CheckMatrix& matrix) {
  Json json = Json::object({{"schema", "requant/check-matrix/1"}});
  json.set("engines", spans_json(matrix.spans));
  if (matrix.memory) json.set("memory", memory_json(*matrix.memory));
  return json.dump(2) + "\n";
}

std::string to_json(const CheckResult& result) {
  Json json = Json::object({{"schema", "requant/check/1"},
                            {"verdict", result.verdict},
                            {"engine", result.engine},
                            {"version", result.version},
                            {"method", result.method.empty() ? Json() : Json(result.method)},
                            {"summary", result.summary}});
  if (result.needs_capability != 0) json.set("needs_capability", result.needs_capability);
  if (!result.needs_cpu.empty()) json.set("needs_cpu", result.needs_cpu);
  Json findings = Json::array();
  for (const Finding& finding : result.findings) findings.append(finding_json(finding));
  json.set("findings", std::move(findings));
  Json repairs = Json::array();
  for (const CheckRepair& repair : result.repairs) repairs.append(repair_json(repair));
  json.set("repairs", std::move(repairs));
  json.set("other_versions", spans_json(result.other_versions));
  if (result.memory) json.set("memory", memory_json(*result.memory));
  return json.dump(2) + "\n";
}

std::string to_json(const std::vector<EngineEntry>& engines) {
  Json list = Json::array();
  for (const EngineEntry& entry : engines) {
    list.append(Json::object({{"name", entry.name}, {"source", entry.source}}));
  }
  Json json = Json::object({{"schema", "requant/engines/1"}});
  json.set("engines", std::move(list));
  return json.dump(2) + "\n";
}

}  // namespace requant
