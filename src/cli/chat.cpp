#include "requant/chat.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/command.h"
#include "cli/run_options.h"
#include "cli/settings.h"
#include "cli/terminal.h"
#include "cli/tokens.h"

namespace requant::cli {
namespace {

struct Arguments {
  ChatOptions options;
  std::vector<std::string> settings;
  std::uint64_t max_tokens = 512;
};

int run(Arguments& arguments) {
  auto settings = parse_settings(arguments.settings);
  if (!settings) return report(settings.error());
  arguments.options.settings = *std::move(settings);
  auto chat = Chat::open(arguments.options);
  if (!chat) return report(chat.error());
  const bool asks = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  std::string line;
  while (true) {
    if (asks) print("> ");
    if (!std::getline(std::cin, line)) return kClean;
    if (line.empty()) continue;
    const auto answer = chat->say(line, arguments.max_tokens, print_text);
    if (!answer) return report(answer.error());
    print("\n");
  }
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_run_options(app, arguments->options.run);
  app.add_option("--system", arguments->options.system, "what the model is told first")
      ->type_name("TEXT");
  app.add_option("--max-tokens", arguments->max_tokens, "tokens of an answer at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_template_options(app, arguments->options.template_file, arguments->settings);
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_chat = {
    .name = "chat",
    .summary = "talks with a model: each line of stdin is a turn",
    .add = add,
};

}  // namespace requant::cli
