#include <CLI/CLI.hpp>
#include <cstring>
#include <memory>

#include "cli/command.h"
#include "cli/run_options.h"
#include "cli/terminal.h"
#include "cli/tokens.h"

namespace requant::cli {
namespace {

struct Arguments {
  RunOptions options;
  std::string tokens;
  bool raw = false;
};

int run(const Arguments& arguments) {
  const auto tokens = parse_ids(arguments.tokens);
  if (!tokens) return report(tokens.error());
  const auto result = logits(arguments.options, *tokens);
  if (!result) return report(result.error());
  if (!arguments.raw) {
    print(to_json(*result, *tokens));
    return kClean;
  }
  std::string bytes(result->values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), result->values.data(), bytes.size());
  print_bytes(bytes);
  return kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_run_options(app, arguments->options);
  app.add_option("--tokens", arguments->tokens, "ids, with commas or spaces between them")
      ->required();
  app.add_flag("--raw", arguments->raw, "F32 numbers, little-endian, instead of JSON");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_logits = {
    .name = "logits",
    .summary = "what a model says after each of some tokens, in F32",
    .add = add,
};

}  // namespace requant::cli
