#pragma once

#include <string>

namespace requant {

// A variable of the environment; empty where it is not set.
std::string environment(const char* name);

}  // namespace requant
