#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/terminal.h"
#include "requant/check.h"

namespace requant::cli {
namespace {

struct Arguments {
  bool names_only = false;
  bool json = false;
};

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_flag("--names", arguments->names_only, "names only, one a line");
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  return [arguments] {
    const std::vector<EngineEntry> known = engines();
    std::vector<std::vector<std::string>> rows = {{"engine", "rules read from"}};
    for (const EngineEntry& entry : known) {
      if (arguments->names_only) print(entry.name + "\n");
      rows.push_back({entry.name, entry.source});
    }
    if (arguments->json) {
      print(to_json(known));
    } else if (!arguments->names_only) {
      print_table(rows);
    }
    return static_cast<int>(kClean);
  };
}

}  // namespace

extern const Command k_command_engines = {
    .name = "engines",
    .summary = "the engine versions whose rules are built in, and where the rules come from",
    .add = add,
};

}  // namespace requant::cli
