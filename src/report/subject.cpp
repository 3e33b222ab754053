#include "report/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/folder.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnds[] = {".json",  ".safetensors", ".bin",  ".pt", ".txt",
                                      ".jinja", ".model",       ".yaml", ".md"};

// Where a tensor is, as far as one file goes.
std::string weight_file(const ReportSubject& subject) {
  if (subject.inspection == nullptr) return "config.json";
  const auto& files = subject.inspection->weight_files;
  if (files.size() == 1) return files.front().name;
  return subject.inspection->container == "pytorch" ? "pytorch_model.bin.index.json"
                                                    : "model.safetensors.index.json";
}

bool is_file_name(std::string_view where) {
  return where.find('/') == std::string_view::npos &&
         std::ranges::any_of(kEnds, [&](std::string_view end) { return where.ends_with(end); });
}

bool names_one_file(const fs::path& source) { return is_file_name(source.filename().string()); }

}  // namespace

bool is_edit(const Finding& finding) { return finding.rule.starts_with("edit."); }

std::vector<Finding> findings_of(const ReportSubject& subject) {
  std::vector<Finding> findings;
  if (subject.check == nullptr && subject.inspection == nullptr) return findings;
  const auto& all =
      subject.check != nullptr ? subject.check->findings : subject.inspection->findings;
  std::ranges::copy_if(all, std::back_inserter(findings),
                       [](const Finding& finding) { return !is_edit(finding); });
  return findings;
}

std::string file_of(const ReportSubject& subject, const Finding& finding) {
  // "config.json: text_config.quantization_config"
  std::string name = finding.where.substr(0, finding.where.find(": "));
  if (!is_file_name(name)) {
    name = finding.where.empty() ? "config.json" : weight_file(subject);
  }
  std::string source = subject.source.string();
  source = source.substr(0, is_address(source) ? source.find_first_of("?#") : source.size());
  if (names_one_file(source)) source = source.substr(0, source.rfind('/') + 1);
  if (!source.empty() && source.back() != '/') source += '/';
  while (source.starts_with("./")) source.erase(0, 2);
  return source + name;
}

std::string text_of(const Finding& finding) {
  std::string text = finding.where.empty() || is_file_name(finding.where)
                         ? finding.message
                         : finding.where + ": " + finding.message;
  const auto add = [&](std::string_view label, const std::string& value) {
    if (!value.empty()) text += fmt::format("\n{}: {}", label, value);
  };
  add("expected", finding.expected);
  add("observed", finding.observed);
  add("evidence", finding.evidence);
  add("why", finding.why);
  add("repair", finding.repair);
  return text;
}

std::string verdict_text(const ReportSubject& subject) {
  if (subject.check == nullptr) return "";
  const CheckResult& check = *subject.check;
  return fmt::format("{} {}: {}: {}", check.engine, check.version, check.verdict, check.summary);
}

}  // namespace requant
