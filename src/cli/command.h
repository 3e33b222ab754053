#pragma once

#include <functional>
#include <string_view>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls it so
class App;
}

namespace requant::cli {

// One verb of the program. Each is one .cpp that exports one constant of this type.
struct Command {
  std::string_view name;
  std::string_view summary;
  // Declares the options and gives what runs once they are parsed; it returns the exit code.
  std::function<int()> (*add)(CLI::App& app);
};

// 0 clean; 1 findings at or above --fail-on, or a verification mismatch; 2 usage; 3 unreadable or
// corrupt input; 4 refused; 5 resources; 130 interrupted, 143 by
// SIGTERM.
enum ExitCode : int {
  kClean = 0,
  kFindings = 1,
  kUsageError = 2,
  kBadInput = 3,
  kRefusal = 4,
  kNoResources = 5,
  kInterruption = 130,
  kTermination = 143,
};

// Whether nobody asked before: where memory runs out in several threads, one tells of it.
bool is_first_to_tell();

}  // namespace requant::cli
