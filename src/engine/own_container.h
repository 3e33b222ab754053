#pragma once

#include <string>

#include "engine/check.h"

namespace requant {

// What the engine's own files are: "safetensors", "gguf".
Result<std::string> own_container(const EngineId& id);

}  // namespace requant
