#include "engine/check.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "engine/advice.h"
#include "engine/evaluate.h"

namespace requant {

namespace {

// Capabilities that are tried where none is stated: those that any row of the data asks for, and
// the usual ones.
std::set<int> capabilities_of(const EngineData& engine) {
  std::set<int> out = {70, 75, 80, 86, 89, 90, 100, 120};
  if (const Json* methods = engine.json.find("methods")) {
    for (const auto& [name, method] : methods->members()) {
      const Json* least = method.find("min_capability");
      const auto value = least == nullptr ? std::nullopt : least->as_int();
      if (value && *value >= 50) out.insert(static_cast<int>(*value));
    }
  }
  return out;
}

// What most people serve on: the report is for it when it loads there.
constexpr int kUsualCapability = 90;

struct Judged {
  Device device;
  Situation situation;
  std::vector<Judgement> judgements;
  Verdict verdict = Verdict::kUnknown;
};

Judged judge(const EngineData& engine, const Subject& subject, const Device& device) {
  Judged out{.device = device, .situation = describe(engine, subject, device), .judgements = {}};
  out.judgements = evaluate(out.situation);
  out.verdict = verdict_of(out.judgements);
  return out;
}

// The best that any capability gives, and the lowest that gives a yes.
Judged judge_on_any(const EngineData& engine, const Subject& subject, Device device, int& lowest) {
  device.capability = kUsualCapability;
  Judged best = judge(engine, subject, device);
  Judged other = best;
  for (const int capability : capabilities_of(engine)) {
    other.device.capability = capability;
    restate(other.situation, other.device);
    other.judgements = evaluate(other.situation);
    other.verdict = verdict_of(other.judgements);
    if (other.verdict != Verdict::kYes) continue;
    lowest = capability;
    if (best.verdict != Verdict::kYes) best = std::move(other);
    break;
  }
  return best;
}

bool is_plain(std::string_view path) {
  return std::all_of(path.begin(), path.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/._-+=@:,").find(c) != std::string_view::npos;
  });
}

// Fit to be pasted into a shell.
std::string shell_word(const std::string& text) {
  if (!text.empty() && is_plain(text)) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string conversion(const Subject& subject, const EngineId& id) {
  return "requant convert " + shell_word(subject.path.string()) + " -o OUT --for " + id.engine +
         "@" + id.version;
}

bool rejects(const Judgement& judgement) {
  return judgement.effect == Effect::kReject || judgement.effect == Effect::kRejectUnlessMet;
}

// No conversion helps an engine that has no class for the model.
bool converts_away(const Judgement& judgement, const Situation& situation) {
  if (situation.subject->weights.empty() && judgement.rule != "container") return false;
  const auto& rules = situation.engine->rules;
  const auto rule = std::find_if(rules.begin(), rules.end(),
                                 [&](const EngineRule& r) { return r.id == judgement.rule; });
  return rule == rules.end() || rule->stage != "arch";
}

Finding finding_of(const Judgement& judgement, const Judged& judged) {
  Finding finding;
  const bool certain = judgement.truth == Truth::kYes;
  finding.severity = rejects(judgement) && certain ? Severity::kError : Severity::kWarning;
  finding.rule = judgement.rule;
  finding.where = judgement.where;
  finding.message = (certain ? "" : "cannot tell: ") + judgement.reason;
  finding.expected = judgement.expected;
  finding.observed = judgement.observed;
  finding.evidence = judgement.src;
  if (!certain) finding.why = "it hangs on " + judgement.unknown;
  if (certain && !judgement.message.empty()) finding.why = "it stops with: " + judgement.message;
  if (!rejects(judgement)) return finding;
  std::vector<std::string> ways = judgement.fixes;
  if (certain && converts_away(judgement, judged.situation)) {
    std::erase_if(ways, [](const std::string& way) { return way.starts_with("convert "); });
    ways.insert(ways.begin(), conversion(*judged.situation.subject, judged.situation.engine->id));
  }
  finding.repair = join(ways, "; or ");
  return finding;
}

void add_remote_code(const Subject& subject, std::vector<Finding>& findings) {
  const Json* map = subject.config.find("auto_map");
  if (map == nullptr || !map->is_object()) return;
  findings.push_back({.severity = Severity::kInfo,
                      .rule = "config.remote-code",
                      .where = "config.json: auto_map",
                      .message = "the model names Python code of its own",
                      .expected = {},
                      .observed = {},
                      .evidence = {},
                      .why = "the engine asks for --trust-remote-code before it runs any of it",
                      .repair = {}});
}

std::string summary_of(const CheckReport& report) {
  const std::string engine = report.engine.engine + " " + report.engine.version;
  const std::string method = report.method.empty() ? "unquantised" : "as " + report.method;
  if (report.verdict == Verdict::kYes) {
    std::string text = engine + " loads it " + method;
    if (report.needs_capability != 0)
      text += ", from sm_" + std::to_string(report.needs_capability) + " on";
    return text;
  }
  const Finding& first = report.findings.front();
  if (report.verdict == Verdict::kUnknown)
    return "whether " + engine + " loads it is not known: " + first.why;
  return engine + " does not load it: " + first.message;
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kYes:
      return "yes";
    case Verdict::kNo:
      return "no";
    case Verdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

Subject subject_of(const Checkpoint& checkpoint) {
  return {.path = checkpoint.root(),
          .config = checkpoint.config(),
          .architecture = checkpoint.architecture(),
          .container = checkpoint.source().container(),
          .dialect = std::string(checkpoint.dialect().name),
          .weights = checkpoint.weights(),
          .dense = checkpoint.dense(),
          .files = checkpoint.files()};
}

Result<CheckReport> check(const Subject& subject, const EngineId& id, const Device& device) {
  RQ_TRY(const auto engine, load_engine(id));
  CheckReport report;
  report.engine = id;
  const bool stated = device.capability != 0 || engine->capability != 0;
  const Judged judged = stated ? judge(*engine, subject, device)
                               : judge_on_any(*engine, subject, device, report.needs_capability);
  report.verdict = judged.verdict;
  report.method = judged.situation.method;
  for (const Judgement& judgement : judged.judgements) {
    report.findings.push_back(finding_of(judgement, judged));
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  if (report.verdict == Verdict::kNo) {
    for (Finding& finding : judge_edits(judged.situation, judged.judgements, judged.device)) {
      report.findings.push_back(std::move(finding));
    }
  }
  add_remote_code(subject, report.findings);
  report.summary = summary_of(report);
  return report;
}

}  // namespace requant
