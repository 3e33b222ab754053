#pragma once

#include <optional>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace requant {

// A JSON object that lies beside the weights; nothing where there is none, or it is broken.
std::optional<Json> json_beside(const Checkpoint& checkpoint, std::string_view name);

bool lies_beside(const Checkpoint& checkpoint, std::string_view name);

}  // namespace requant
