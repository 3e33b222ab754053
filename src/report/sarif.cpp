// SARIF 2.1.0, as code scanning services read it:
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/folder.h"
#include "base/json.h"
#include "report/subject.h"
#include "requant/version.h"

namespace requant {
namespace {

constexpr std::string_view kSchema = "https://json.schemastore.org/sarif-2.1.0.json";
constexpr std::string_view kVerdictRule = "engine.verdict";

std::string_view level_of(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "none";
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~/").find(c) != std::string_view::npos;
}

// A path as a URI: relative where it is.
std::string uri_of(const std::string& path) {
  if (is_address(path)) return path;
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    uri += is_plain(c) ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

Json message(std::string text) { return Json::object({{"text", std::move(text)}}); }

Json location_of(const ReportSubject& subject, const Finding& finding) {
  const std::string file = file_of(subject, finding);
  Json location = Json::object();
  location.set("physicalLocation",
               Json::object({{"artifactLocation", Json::object({{"uri", uri_of(file)}})}}));
  if (!finding.where.empty() && !file.ends_with(finding.where)) {
    Json names = Json::array();
    names.append(Json::object({{"fullyQualifiedName", finding.where}, {"kind", "member"}}));
    location.set("logicalLocations", std::move(names));
  }
  return location;
}

Json result_of(const ReportSubject& subject, const Finding& finding, std::size_t rule) {
  Json result = Json::object({{"ruleId", finding.rule},
                              {"ruleIndex", std::uint64_t{rule}},
                              {"level", level_of(finding.severity)},
                              {"message", message(text_of(finding))}});
  Json locations = Json::array();
  locations.append(location_of(subject, finding));
  result.set("locations", std::move(locations));
  // The same finding of a later run is the same alert.
  result.set("partialFingerprints",
             Json::object({{"finding/v1", finding.rule + "|" + finding.where}}));
  return result;
}

// The verdict as a finding: a yes is none.
void add_verdict(const ReportSubject& subject, std::vector<Finding>& findings) {
  if (subject.check == nullptr || subject.check->verdict == "yes") return;
  Finding finding;
  finding.severity = subject.check->verdict == "no" ? Severity::kError : Severity::kWarning;
  finding.rule = kVerdictRule;
  finding.message = verdict_text(subject);
  findings.insert(findings.begin(), std::move(finding));
}

Json driver_of(const std::vector<std::string>& rules) {
  Json list = Json::array();
  for (const std::string& rule : rules) list.append(Json::object({{"id", rule}}));
  return Json::object(
      {{"name", "requant"}, {"version", std::string(version())}, {"rules", std::move(list)}});
}

std::string render(const ReportSubject& subject) {
  std::vector<Finding> findings = findings_of(subject);
  add_verdict(subject, findings);
  std::vector<std::string> rules;
  Json results = Json::array();
  for (const Finding& finding : findings) {
    auto at = std::ranges::find(rules, finding.rule);
    if (at == rules.end()) at = rules.insert(rules.end(), finding.rule);
    results.append(result_of(subject, finding, static_cast<std::size_t>(at - rules.begin())));
  }
  Json run = Json::object({{"tool", Json::object({{"driver", driver_of(rules)}})},
                           {"columnKind", "unicodeCodePoints"},
                           {"results", std::move(results)}});
  if (subject.check != nullptr) {
    run.set("properties",
            Json::object({{"verdict", subject.check->verdict},
                          {"engine", subject.check->engine + "@" + subject.check->version},
                          {"summary", subject.check->summary}}));
  }
  Json runs = Json::array();
  runs.append(std::move(run));
  const Json log =
      Json::object({{"$schema", kSchema}, {"version", "2.1.0"}, {"runs", std::move(runs)}});
  return log.dump(2) + "\n";
}

}  // namespace

extern const ReportForm k_report_sarif;
const ReportForm k_report_sarif = {
    .name = "sarif",
    .summary = "SARIF 2.1.0, for code scanning",
    .render = render,
};

}  // namespace requant
