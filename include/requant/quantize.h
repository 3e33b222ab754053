#pragma once

#include <string>
#include <vector>

#include "requant/convert.h"

namespace requant {

struct QuantizeOptions {
  // Input, output and the rest as for convert(); `to` is "DIALECT:SCHEME"
  // ("compressed-tensors:w4a16"), "gguf:MIX" ("gguf:q4_k_m": docs/formats/gguf.md) or, with a
  // recipe that says the scheme, "DIALECT". `for_engine`
  // and `allow` are not used.
  ConvertOptions convert;
  // What stays as it is: "lm_head", "router", "vision", "audio", "projector", module names,
  // "re:PATTERN". Empty: the recipe's list, or all five words (mixes: all but lm_head).
  std::vector<std::string> ignore;
  std::filesystem::path recipe;  // a JSON file: scheme, ignore, rules (docs/recipes.md)
  // Static activation scales by module, JSON or safetensors (docs/recipes.md), for "-static".
  std::filesystem::path input_scales;
  std::filesystem::path imatrix;  // llama-imatrix's file, of either kind; for block types of GGUF
  bool search_scale = false;      // integer codes: the range of least squared error, not the whole
};

// The names of schemes, and what each means: ("w4a16", "4-bit integers in groups of 128").
struct SchemeInfo {
  std::string name;
  std::string meaning;
};
std::vector<SchemeInfo> schemes();

// Quantises the unquantised Linear weights of a checkpoint to the nearest codes, without data. The
// plan and the report are those of a conversion; their losses are empty but for what a source that
// is partly quantised loses. Errors as for convert(); kUsage for a recipe that cannot be read.
Result<ConvertPlan> plan_quantization(const QuantizeOptions& options);
Result<ConvertReport> quantize(const QuantizeOptions& options, const Progress& progress = {});

}  // namespace requant
