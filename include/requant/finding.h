#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace requant {

enum class Severity : std::uint8_t { kInfo, kWarning, kError };

std::string_view name_of(Severity severity);

// Something about a checkpoint that is wrong or worth knowing. What is wrong with a run is an
// Error.
struct Finding {
  Severity severity = Severity::kInfo;
  std::string rule;      // stable id: "config.nested-quantization"
  std::string where;     // file, tensor, module or config key
  std::string message;   // one sentence
  std::string expected;  // what should be there
  std::string observed;  // what is there
  std::string evidence;  // how that is known: a tensor and its shape, file:line of an engine
  std::string why;       // what happens if nothing is done
  std::string repair;    // a command or an edit that helps; empty where none is known
};

// True when any finding is at or above `severity`.
bool any_at_least(const std::vector<Finding>& findings, Severity severity);

}  // namespace requant
