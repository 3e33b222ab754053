#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/terminal.h"
#include "requant/quantize.h"

namespace requant::cli {
namespace {

std::function<int()> add(CLI::App&) {
  return [] {
    std::vector<std::vector<std::string>> rows = {{"scheme", "what"}};
    for (const SchemeInfo& scheme : schemes()) rows.push_back({scheme.name, scheme.meaning});
    print_table(rows);
    print(
        "each with -gN, -channel, -tensor or -block (where its scales go), -asym, -static, -ue8m0, "
        "-nested,\n-f32, -bf16, -f16 (of the scales)\n");
    return static_cast<int>(kClean);
  };
}

}  // namespace

extern const Command k_command_schemes = {
    .name = "schemes",
    .summary = "the schemes that quantize and convert --to know by name",
    .add = add,
};

}  // namespace requant::cli
