#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/engine_data.h"

namespace requant {

// The major version of transformers that these requirements ("transformers<5,>=4.56.0") leave; that
// of the lowest where all are the same, nothing where several are possible or none is named.
std::optional<int> transformers_major_of(std::span<const std::string> pins);

// The same of an engine's own pins; of transformers itself its version.
std::optional<int> transformers_major(const EngineData& engine);

}  // namespace requant
