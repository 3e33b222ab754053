#include "cli/run_options.h"

#include <CLI/CLI.hpp>

namespace requant::cli {

void add_run_options(CLI::App& app, RunOptions& options) {
  app.add_option("SRC", options.source, "a checkpoint, in any dialect")->required();
  app.add_option("--threads", options.threads, "threads to use")->check(CLI::PositiveNumber);
  app.add_flag("--activations", options.round_inputs,
               "round the inputs of quantised weights, as the dialect states");
}

}  // namespace requant::cli
