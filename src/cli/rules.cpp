#include "requant/rules.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/terminal.h"

namespace requant::cli {
namespace {

struct Arguments {
  bool names_only = false;
  bool json = false;
  bool markdown = false;
};

int run(const Arguments& arguments) {
  const std::vector<RuleInfo> all = rules();
  if (arguments.json) {
    print(to_json(all));
  } else if (arguments.markdown) {
    print(to_markdown(all));
  } else if (arguments.names_only) {
    for (const RuleInfo& rule : all) print(rule.id + "\n");
  } else {
    std::vector<std::vector<std::string>> rows = {{"rule", "severity", "reads", "what is wrong"}};
    for (const RuleInfo& rule : all) {
      rows.push_back({rule.id, std::string(name_of(rule.severity)), rule.reads, rule.text});
    }
    print_table(rows);
  }
  return kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_flag("--names", arguments->names_only, "names only, one a line");
  app.add_flag("--json", arguments->json, "one JSON document on stdout, with causes and repairs");
  app.add_flag("--markdown", arguments->markdown, "the same as docs/rules.md");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_rules = {
    .name = "rules",
    .summary = "what inspect and check look for, how bad it is, and what helps",
    .add = add,
};

}  // namespace requant::cli
