#include <fmt/format.h>

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

constexpr std::size_t kNameColumns = 20;
constexpr std::size_t kLineColumns = 78;

// One paragraph an engine: its versions, as many to a line as fit.
void print_engines(const std::vector<EngineEntry>& known) {
  std::string line;
  std::string engine;
  for (const EngineEntry& entry : known) {
    const auto at = entry.name.find('@');
    const std::string version = entry.name.substr(at + 1);
    const bool starts = entry.name.substr(0, at) != engine;
    if (starts || line.size() + 1 + version.size() > kLineColumns) {
      if (!line.empty()) print(line + "\n");
      engine = entry.name.substr(0, at);
      line = fmt::format("{:<{}}", starts ? engine : "", kNameColumns - 1);
    }
    line += " " + version;
  }
  print(line + "\n");
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_flag("--names", arguments->names_only, "names only, one a line");
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  return [arguments] {
    const std::vector<EngineEntry> known = engines();
    if (arguments->json) {
      print(to_json(known));
    } else if (arguments->names_only) {
      for (const EngineEntry& entry : known) print(entry.name + "\n");
    } else {
      print_engines(known);
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
