#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "quant/scheme.h"

namespace requant {

// A scheme as people write it:
// NAME[-gN|-channel|-tensor|-block][-asym|-sym][-static][-ue8m0][-nested][-f32|-bf16|-f16],
// the last of the scales, such as "w4a16-g32",
// "fp8-block", "int8", "nvfp4", "fp8-tensor-static", "nf4-nested".
struct SchemeRequest {
  std::string text;
  Scheme scheme;  // what is not said has the usual value
  // What was said, and so has to be as it is in `scheme`. Element and bits always are.
  bool fixes_grid = false;
  bool fixes_offset = false;
  bool fixes_activations = false;
  bool fixes_scales = false;  // their dtype
  bool is_static = false;     // "-static": the scale of activations is given, --input-scales
};

// kUsage, with the names there are, for a text that is no scheme.
Result<SchemeRequest> parse_scheme(std::string_view text);

// True where `scheme` has everything that was asked for.
bool satisfies(const Scheme& scheme, const SchemeRequest& request);

// A named scheme, for `requant schemes` and messages.
struct SchemeName {
  std::string_view name;
  std::string_view meaning;
};
std::vector<SchemeName> scheme_names();

}  // namespace requant
