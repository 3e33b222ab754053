#include "requant/tokenize.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/tokens.h"

namespace requant::cli {
namespace {

struct Arguments {
  TokenizeOptions options;
  std::string text;
  std::filesystem::path file;
  bool lines = false;
  bool decode = false;
  bool no_special = false;
  bool json = false;
};

Result<std::vector<std::string>> texts_of(const Arguments& arguments) {
  std::string text = arguments.text;
  if (!arguments.file.empty()) {
    RQ_TRY(text, read_text(arguments.file));
  }
  if (arguments.lines) return lines_of(text);
  return std::vector<std::string>{std::move(text)};
}

int run_decode(const Arguments& arguments, const std::vector<std::string>& texts) {
  std::vector<std::vector<std::uint32_t>> ids;
  for (const std::string& text : texts) {
    auto parsed = parse_ids(text);
    if (!parsed) return report(parsed.error());
    ids.push_back(*std::move(parsed));
  }
  const auto decoded = detokenize(arguments.options, ids);
  if (!decoded) return report(decoded.error());
  for (const std::string& text : *decoded) print_text(text + "\n");
  return kClean;
}

int run(Arguments& arguments) {
  arguments.options.special = !arguments.no_special;
  if (arguments.json && arguments.decode) {
    return report(usage("--decode gives text, for which there is no --json"));
  }
  if (arguments.file.empty() == arguments.text.empty()) {
    return report(usage("one TEXT is needed, or one --text FILE"));
  }
  const auto texts = texts_of(arguments);
  if (!texts) return report(texts.error());
  if (arguments.decode) return run_decode(arguments, *texts);
  const auto results = tokenize(arguments.options, *texts);
  if (!results) return report(results.error());
  if (arguments.json) {
    print(to_json(*results));
    return kClean;
  }
  std::string out;
  for (const TokenizedText& text : *results) out += ids_text(text.ids) + "\n";
  print(out);
  return kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("SRC", arguments->options.source, "a folder with a tokenizer.json, or the file")
      ->required();
  app.add_option("TEXT", arguments->text, "what becomes tokens");
  app.add_option("--text", arguments->file, "a file of text; - is stdin")->type_name("FILE");
  app.add_flag("--lines", arguments->lines, "each line is a text of its own");
  app.add_flag("--decode", arguments->decode, "the text is numbers of tokens: back to text");
  app.add_flag("--no-special", arguments->no_special,
               "without the tokens around a text; with --decode: without special tokens");
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_tokenize = {
    .name = "tokenize",
    .summary = "a text as the tokens of a model, and back",
    .add = add,
};

}  // namespace requant::cli
