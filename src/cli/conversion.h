#pragma once

#include <functional>
#include <memory>

#include "requant/convert.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls it so
class App;
}

namespace requant::cli {

// What convert and quantize have in common on the command line.
struct ConversionArguments {
  ConvertOptions options;
  bool dry_run = false;
  bool json = false;
};

// INPUT, -o, --max-shard-size, --tokenizer-from, --overwrite, --threads, --dry-run, --json.
void add_conversion_options(CLI::App& app, ConversionArguments& arguments);

// Prints the plan (--dry-run) or runs it with a progress line; gives the exit code.
int run_conversion(const ConversionArguments& arguments, const char* verb,
                   const std::function<Result<ConvertPlan>()>& plan,
                   const std::function<Result<ConvertReport>(const Progress&)>& run);

}  // namespace requant::cli
