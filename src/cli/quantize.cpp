#include "requant/quantize.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/conversion.h"
#include "cli/terminal.h"

namespace requant::cli {
namespace {

struct Arguments {
  ConversionArguments conversion;
  QuantizeOptions options;
};

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  QuantizeOptions& options = arguments->options;
  add_conversion_options(app, arguments->conversion);
  app.add_option("--to", arguments->conversion.options.to,
                 "DIALECT:SCHEME: compressed-tensors:w4a16, lmdeploy:int8 ... (`requant schemes`), "
                 "gguf:q4_k_m ... (`requant formats`)");
  app.add_option(
         "--ignore", options.ignore,
         "what stays as it is: lm_head, router, vision, audio, projector (these by default), "
         "module names, re:PATTERN")
      ->delimiter(',');
  app.add_option("--recipe", options.recipe, "a JSON file: scheme, ignore, rules");
  app.add_option("--input-scales", options.input_scales,
                 "JSON or safetensors: the static activation scale of each module, for -static");
  app.add_option("--imatrix", options.imatrix,
                 "llama-imatrix's file, GGUF or .dat: how much each input matters, for --to gguf:");
  app.add_flag("--search-scale", options.search_scale,
               "integers: take the range of least squared error");
  return [arguments] {
    arguments->options.convert = arguments->conversion.options;
    arguments->options.convert.lists_tensors = arguments->conversion.json;
    arguments->options.convert.notice = print_notice;
    return run_conversion(
        arguments->conversion, "quantize", [&] { return plan_quantization(arguments->options); },
        [&](const Progress& progress) { return quantize(arguments->options, progress); });
  };
}

}  // namespace

extern const Command k_command_quantize = {
    .name = "quantize",
    .summary = "unquantised weights to the nearest codes of a scheme, without data",
    .add = add,
};

}  // namespace requant::cli
