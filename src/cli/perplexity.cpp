#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/run_options.h"
#include "cli/terminal.h"
#include "cli/tokens.h"

namespace requant::cli {
namespace {

struct Arguments {
  RunOptions options;
  std::filesystem::path text;
  std::uint64_t window = 512;
  bool json = false;
};

int run(const Arguments& arguments) {
  const auto text = read_text(arguments.text);
  if (!text) return report(text.error());
  const auto result = perplexity(arguments.options, *text, arguments.window);
  if (!result) return report(result.error());
  if (arguments.json) {
    print(to_json(*result));
  } else {
    print(fmt::format("perplexity {:.4f}: {} tokens in {} windows, {} scored, {:.6f} nats each\n",
                      result->perplexity, result->tokens, result->windows, result->scored,
                      result->mean));
  }
  return kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_run_options(app, arguments->options);
  app.add_option("--text", arguments->text, "a file of text; - is stdin")
      ->type_name("FILE")
      ->required();
  app.add_option("--window", arguments->window, "tokens that are seen together")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_perplexity = {
    .name = "perplexity",
    .summary = "how well a model foresees a text",
    .add = add,
};

}  // namespace requant::cli
