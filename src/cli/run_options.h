#pragma once

#include "requant/run.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls it so
class App;
}

namespace requant::cli {

// SRC, --threads, --activations: what every command that runs a model has.
void add_run_options(CLI::App& app, RunOptions& options);

}  // namespace requant::cli
