#include "requant/convert.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/conversion.h"
#include "cli/terminal.h"
#include "requant/check.h"

namespace requant::cli {
namespace {

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<ConversionArguments>();
  auto gpu = std::make_shared<std::string>();
  ConvertOptions& options = arguments->options;
  add_conversion_options(app, *arguments);
  auto* to = app.add_option(
      "--to", options.to, "DIALECT[@LAYOUT][:SCHEME]: compressed-tensors, gptq@v2, dense:bf16 ...");
  app.add_option("--for", options.for_engine, "ENGINE@VERSION: what loses least and runs there")
      ->excludes(to);
  app.add_option("--gpu", *gpu, "with --for: the capability of the GPU that serves, as in sm_90");
  app.add_option("--cpu", options.cpu,
                 "with --for: what the processor that serves has: amx, or less: avx512, avx2")
      ->check(CLI::IsMember({"amx", "avx512", "avx2"}));
  app.add_option("--allow", options.allow, "losses that may be taken, or all")->delimiter(',');
  app.add_flag("--harmonise-fused", options.harmonise_fused,
               "one scale for q/k/v and for gate/up, where a tensor has one: the largest");
  return [arguments, gpu] {
    if (!gpu->empty()) {
      const auto capability = parse_capability(*gpu);
      if (!capability) return report(capability.error());
      arguments->options.capability = *capability;
    }
    arguments->options.lists_tensors = arguments->json;
    arguments->options.notice = print_notice;
    return run_conversion(
        *arguments, "convert", [&] { return plan_conversion(arguments->options); },
        [&](const Progress& progress) { return convert(arguments->options, progress); });
  };
}

}  // namespace

extern const Command k_command_convert = {
    .name = "convert",
    .summary = "the same weights in another dialect, exact or refused",
    .add = add,
};

}  // namespace requant::cli
