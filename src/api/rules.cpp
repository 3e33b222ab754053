#include "requant/rules.h"

#include <fmt/format.h>

#include "base/json.h"
#include "rule/rule.h"

namespace requant {
namespace {

std::string_view name_of(Depth depth) {
  switch (depth) {
    case Depth::kHeaders:
      return "headers";
    case Depth::kScales:
      return "scales";
    case Depth::kCodes:
      return "codes";
  }
  return "";
}

std::string reading(const Rule& rule) { return std::string(name_of(rule.depth)); }

}  // namespace

std::vector<RuleInfo> rules() {
  std::vector<RuleInfo> all;
  for (const RuleFamily* family : rule_families()) {
    for (const Rule& rule : family->rules) {
      all.push_back({.family = std::string(family->name),
                     .id = std::string(rule.id),
                     .severity = rule.severity,
                     .text = std::string(rule.text),
                     .why = std::string(rule.why),
                     .repair = std::string(rule.repair),
                     .reads = reading(rule),
                     .threads = std::string(rule.threads)});
    }
  }
  return all;
}

std::string to_json(const std::vector<RuleInfo>& rules) {
  std::vector<Json> list;
  for (const RuleInfo& rule : rules) {
    list.push_back(Json::object({{"family", rule.family},
                                 {"id", rule.id},
                                 {"severity", name_of(rule.severity)},
                                 {"text", rule.text},
                                 {"why", rule.why},
                                 {"repair", rule.repair},
                                 {"reads", rule.reads},
                                 {"threads", rule.threads}}));
  }
  Json json = Json::object({{"schema", "requant/rules/1"}});
  json.set("rules", Json::array(std::move(list)));
  return json.dump(2) + "\n";
}

std::string to_markdown(const std::vector<RuleInfo>& rules) {
  std::string text =
      "# The rule catalogue\n\n"
      "What `inspect` and `check` look for whatever the engine. `requant rules --markdown` writes "
      "this page.\n";
  std::string family;
  for (const RuleInfo& rule : rules) {
    if (rule.family != family) {
      family = rule.family;
      text += fmt::format(
          "\n## {}\n| rule | severity | reads | what is wrong | why it matters | "
          "repair | met in |\n|---|---|---|---|---|---|---|\n",
          family);
    }
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} |\n", rule.id, name_of(rule.severity),
                        rule.reads, rule.text, rule.why, rule.repair, rule.threads);
  }
  return text;
}

}  // namespace requant
