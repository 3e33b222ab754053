#include "engine/check.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "engine/advice.h"
#include "engine/judged.h"

namespace requant {

namespace {

constexpr std::string_view kCannotTell = "cannot tell: ";

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
  finding.message = (certain ? "" : std::string(kCannotTell)) + judgement.reason;
  finding.expected = judgement.expected;
  finding.observed = printable(judgement.observed, 1024);
  finding.evidence = judgement.src;
  if (!certain) finding.why = "it hangs on " + judgement.unknown;
  if (certain && !judgement.message.empty()) {
    finding.why = "it stops with: " + printable(judgement.message, 1024);
  }
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
    if (!report.needs_cpu.empty())
      text +=
          std::string(", on a processor with ") + (report.needs_cpu == "amx" ? "AMX" : "AVX-512");
    return text;
  }
  const Finding& first = report.findings.front();
  if (report.verdict == Verdict::kUnknown) {
    const auto hanging = std::ranges::find_if(report.findings, [](const Finding& finding) {
      return finding.message.starts_with(kCannotTell);
    });
    const bool told = hanging != report.findings.end();
    return "whether " + engine + " loads it is not known: " + (told ? hanging->why : first.why);
  }
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
  const auto& weight_files = checkpoint.source().files();
  return {.path = checkpoint.root(),
          .config = checkpoint.config(),
          .architecture = checkpoint.architecture(),
          .container = checkpoint.source().container(),
          .dialect = std::string(checkpoint.dialect().name),
          .weights = checkpoint.weights(),
          .dense = checkpoint.dense(),
          .files = checkpoint.files(),
          .weight_file = weight_files.empty() ? "" : weight_files.front().label()};
}

namespace {

// On a version whose sources were read.
Result<CheckReport> check_known(const Subject& subject, const EngineId& id, const Device& device) {
  RQ_TRY(const auto engine, load_engine(id));
  CheckReport report;
  report.engine = id;
  const Judged judged = judge_as_stated(*engine, subject, device);
  report.needs_capability = judged.lowest;
  report.needs_cpu = judged.cpu;
  report.verdict = judged.verdict;
  report.method = judged.situation.method;
  if (report.method.empty() && subject.container == "gguf") report.method = "gguf";
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

Finding about_version(std::string rule, Severity severity, std::string message) {
  Finding finding;
  finding.severity = severity;
  finding.rule = std::move(rule);
  finding.where = "the engine's version";
  finding.message = std::move(message);
  return finding;
}

// The version lies between two that were read: it is known what it does where they do the same.
CheckReport between(const EngineId& id, const Neighbours& neighbours, CheckReport before,
                    CheckReport after) {
  const bool same = before.verdict == after.verdict;
  const std::string asked = id.engine + " " + id.version;
  std::string message = asked + " was not read; it lies between " + neighbours.before + " (" +
                        std::string(name_of(before.verdict)) + ") and " + neighbours.after + " (" +
                        std::string(name_of(after.verdict)) + ")";
  CheckReport report = std::move(before);
  report.engine = id;
  report.needs_capability = std::max(report.needs_capability, after.needs_capability);
  if (report.needs_cpu != "amx" && !after.needs_cpu.empty()) report.needs_cpu = after.needs_cpu;
  if (same) {
    report.summary += ", and " + neighbours.after + " gives the same verdict";
  } else {
    report.verdict = Verdict::kUnknown;
    report.summary = "whether " + asked + " loads it is not known: it changed between " +
                     neighbours.before + " and " + neighbours.after;
    for (Finding& finding : report.findings) {
      finding.severity = std::min(finding.severity, Severity::kWarning);
    }
  }
  report.findings.push_back(about_version(
      "engine.between-versions", same ? Severity::kInfo : Severity::kWarning, std::move(message)));
  return report;
}

}  // namespace

Result<CheckReport> check(const Subject& subject, const EngineId& id, const Device& device) {
  RQ_TRY(const Neighbours neighbours, neighbours_of(id));
  const EngineId before{.engine = id.engine, .version = neighbours.before};
  RQ_TRY(CheckReport report, check_known(subject, before, device));
  if (neighbours.exact) return report;
  if (!neighbours.after.empty()) {
    RQ_TRY(CheckReport after,
           check_known(subject, {.engine = id.engine, .version = neighbours.after}, device));
    return between(id, neighbours, std::move(report), std::move(after));
  }
  report.engine = id;
  report.findings.push_back(about_version("engine.newer-than-known", Severity::kWarning,
                                          id.engine + " " + id.version +
                                              " is newer than all that were read: judged by " +
                                              neighbours.before));
  return report;
}

}  // namespace requant
