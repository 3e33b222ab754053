#pragma once

#include <optional>
#include <string_view>

#include "quant/scheme.h"

namespace requant {

// A scheme that compressed-tensors knows by name.
struct CtPreset {
  bool quantises = true;  // false: UNQUANTIZED
  Scheme scheme;
};

// "W4A16", "FP8_DYNAMIC", "nvfp4"; nothing where there is no such preset.
std::optional<CtPreset> ct_preset(std::string_view name);

}  // namespace requant
