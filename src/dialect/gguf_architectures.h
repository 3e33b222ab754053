#pragma once

#include <string_view>

namespace requant {

// True for a value of general.architecture that llama.cpp has.
bool is_gguf_architecture(std::string_view name);

}  // namespace requant
