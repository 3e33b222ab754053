#include "requant/render.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/settings.h"
#include "cli/terminal.h"
#include "cli/tokens.h"

namespace requant::cli {
namespace {

struct Arguments {
  RenderOptions options;
  std::filesystem::path messages;
  std::filesystem::path tools;
  std::vector<std::string> settings;
};

int run(Arguments& arguments) {
  auto settings = parse_settings(arguments.settings);
  if (!settings) return report(settings.error());
  arguments.options.settings = *std::move(settings);
  const auto messages = read_text(arguments.messages);
  if (!messages) return report(messages.error());
  std::string tools;
  if (!arguments.tools.empty()) {
    auto text = read_text(arguments.tools);
    if (!text) return report(text.error());
    tools = *std::move(text);
  }
  const auto text = render_chat(arguments.options, *messages, tools);
  if (!text) return report(text.error());
  print_text(*text);
  return kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("SRC", arguments->options.source, "a folder with a chat template, or a GGUF file")
      ->required();
  app.add_option("--messages", arguments->messages, "the conversation as JSON; - is stdin")
      ->type_name("FILE")
      ->required();
  app.add_option("--tools", arguments->tools, "the tools as JSON")->type_name("FILE");
  app.add_flag("--add-generation-prompt", arguments->options.add_generation_prompt,
               "with the beginning of an answer at the end");
  add_template_options(app, arguments->options.template_file, arguments->settings);
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_render = {
    .name = "render",
    .summary = "a conversation as the model's chat template writes it",
    .add = add,
};

}  // namespace requant::cli
