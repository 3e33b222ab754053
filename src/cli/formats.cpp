#include "requant/formats.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/terminal.h"

namespace requant::cli {
namespace {

std::function<int()> add(CLI::App& app) {
  auto names_only = std::make_shared<bool>(false);
  app.add_flag("--names", *names_only, "names only, one a line");
  return [names_only] {
    std::vector<std::vector<std::string>> rows = {{"kind", "name", "reads", "writes", "what"}};
    for (const FormatInfo& format : formats()) {
      if (*names_only) print(format.name + "\n");
      const bool named_only = !format.reads && !format.writes;
      rows.push_back({format.kind, format.name,
                      named_only     ? "by name"
                      : format.reads ? "yes"
                                     : "no",
                      format.writes ? "yes" : "no", format.long_name});
    }
    if (!*names_only) print_table(rows);
    return static_cast<int>(kClean);
  };
}

}  // namespace

extern const Command k_command_formats = {
    .name = "formats",
    .summary = "the containers, dialects and codecs that this build reads and writes",
    .add = add,
};

}  // namespace requant::cli
