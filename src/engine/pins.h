#pragma once

#include <optional>
#include <string_view>

#include "engine/engine_data.h"

namespace requant {

// The major version of transformers that these constraints ("<5,>=4.56.0") leave; nothing where
// several are possible.
std::optional<int> transformers_major_of(std::string_view constraints);

// The same of an engine's own pins; of transformers itself its version.
std::optional<int> transformers_major(const EngineData& engine);

}  // namespace requant
