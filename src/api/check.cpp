#include "requant/check.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "api/open.h"
#include "base/json.h"
#include "base/text.h"
#include "base/threads.h"
#include "checkpoint/checkpoint.h"
#include "engine/check.h"
#include "engine/engine_data.h"
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
  RQ_TRY(const auto data, load_engine(engine));
  RQ_TRY(auto more, run_rules(checkpoint, {.engine = EngineNeeds{
                                               .name = engine.engine + " " + engine.version,
                                               .transformers_major = transformers_major(*data)}}));
  std::erase_if(more, [](const Finding& f) { return f.severity == Severity::kInfo; });
  std::ranges::move(more, std::back_inserter(findings));
  return findings;
}

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
    if (is_error && finding.rule.starts_with("drift.") && unread == nullptr) unread = &finding;
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

CheckResult public_result(CheckReport report) {
  return {.verdict = std::string(name_of(report.verdict)),
          .engine = std::move(report.engine.engine),
          .version = std::move(report.engine.version),
          .method = std::move(report.method),
          .summary = std::move(report.summary),
          .needs_capability = report.needs_capability,
          .findings = std::move(report.findings)};
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
    RQ_TRY(const EngineId id, parse_engine(engine));
    if (options.tensor_parallel < 1) return usage("tensor parallelism starts at 1");
    RQ_TRY(const Checkpoint checkpoint, open_checkpoint(path, options.timeout_seconds));
    RQ_TRY(CheckReport report,
           check(subject_of(checkpoint), id,
                 {.capability = options.capability, .tensor_parallel = options.tensor_parallel}));
    RQ_TRY(const auto findings, own_findings(checkpoint, id));
    add_own_findings(findings, report);
    return public_result(std::move(report));
  });
}

std::string to_json(const CheckResult& result) {
  Json json = Json::object({{"schema", "requant/check/1"},
                            {"verdict", result.verdict},
                            {"engine", result.engine},
                            {"version", result.version},
                            {"method", result.method.empty() ? Json() : Json(result.method)},
                            {"summary", result.summary}});
  if (result.needs_capability != 0) json.set("needs_capability", result.needs_capability);
  Json findings = Json::array();
  for (const Finding& finding : result.findings) findings.append(finding_json(finding));
  json.set("findings", std::move(findings));
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
