#include <CLI/CLI.hpp>
#include <memory>
#include <string_view>

#include "cli/command.h"
#include "cli/run_options.h"
#include "cli/terminal.h"
#include "cli/tokens.h"
#include "requant/chat.h"

namespace requant::cli {
namespace {

struct Arguments {
  RunOptions options;
  std::string prompt;
  std::uint64_t max_tokens = 128;
  bool chat = false;
  bool json = false;
};

Result<Continuation> answer(const Arguments& arguments) {
  const auto show = [&](std::string_view text) {
    if (!arguments.json) print_text(text);
  };
  if (!arguments.chat) {
    return continue_text(arguments.options, arguments.prompt, arguments.max_tokens, show);
  }
  auto chat =
      Chat::open({.run = arguments.options, .template_file = {}, .system = {}, .settings = {}});
  if (!chat) return std::move(chat).error();
  return chat->say(arguments.prompt, arguments.max_tokens, show);
}

int run(const Arguments& arguments) {
  const bool json = arguments.json;
  const auto result = answer(arguments);
  if (!result) return report(result.error());
  print(json ? to_json(*result) : "\n");
  return kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_run_options(app, arguments->options);
  app.add_option("PROMPT", arguments->prompt, "the text that the model continues")->required();
  app.add_option("--max-tokens", arguments->max_tokens, "tokens to add at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--chat", arguments->chat, "the text is a turn of a user, which the model answers");
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_run = {
    .name = "run",
    .summary = "continues a text with a model, the likeliest token first",
    .add = add,
};

}  // namespace requant::cli
