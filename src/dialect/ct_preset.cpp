// compressed_tensors/quantization/quant_scheme.py@0.20.0

#include "dialect/ct_preset.h"

#include <string>

#include "base/letter_case.h"

namespace requant {
namespace {

Scheme weights(Element element, int bits, const Grid& grid, const Activations& activations = {}) {
  return {.element = element, .bits = bits, .grid = grid, .activations = activations};
}

Activations groups(Element element, int bits, std::int64_t size) {
  return {.kind = ActivationKind::kDynamic,
          .element = element,
          .bits = bits,
          .granularity = Granularity::kGroup,
          .group = size};
}

Activations int_tokens(int bits) {
  Activations activations = Activations::dynamic_token(Element::kInt);
  activations.bits = bits;
  return activations;
}

struct Named {
  std::string_view name;
  Scheme (*scheme)();
};

constexpr Named kPresets[] = {
    {"W8A8", [] { return weights(Element::kInt, 8, Grid::channel(), int_tokens(8)); }},
    {"INT8", [] { return weights(Element::kInt, 8, Grid::channel(), int_tokens(8)); }},
    {"W4A16_ASYM",
     [] {
       Scheme scheme = weights(Element::kInt, 4, Grid::group(128));
       scheme.offset = Offset::kZero;
       return scheme;
     }},
    {"W4AFP8",
     [] {
       return weights(Element::kInt, 4, Grid::group(128),
                      Activations::dynamic_token(Element::kE4M3Fn));
     }},
    {"FP8",
     [] {
       return weights(Element::kE4M3Fn, 8, Grid::tensor(),
                      Activations::static_tensor(Element::kE4M3Fn));
     }},
    {"FP8_DYNAMIC",
     [] {
       return weights(Element::kE4M3Fn, 8, Grid::channel(),
                      Activations::dynamic_token(Element::kE4M3Fn));
     }},
    {"FP8_BLOCK",
     [] {
       return weights(Element::kE4M3Fn, 8, Grid::block(128, 128), groups(Element::kE4M3Fn, 8, 128));
     }},
    {"NVFP4A16", [] { return weights(Element::kE2M1, 4, Grid::group(16)); }},
    {"NVFP4",
     [] { return weights(Element::kE2M1, 4, Grid::group(16), groups(Element::kE2M1, 4, 16)); }},
    {"MXFP4A16", [] { return weights(Element::kE2M1, 4, Grid::group(32)); }},
    {"MXFP4",
     [] { return weights(Element::kE2M1, 4, Grid::group(32), groups(Element::kE2M1, 4, 32)); }},
    {"MXFP4XFP8",
     [] { return weights(Element::kE2M1, 4, Grid::group(32), groups(Element::kE4M3Fn, 8, 32)); }},
    {"MXFP6A16", [] { return weights(Element::kE2M3, 6, Grid::group(32)); }},
    {"MXFP6A8",
     [] { return weights(Element::kE2M3, 6, Grid::group(32), groups(Element::kE4M3Fn, 8, 32)); }},
    {"MXFP8A16", [] { return weights(Element::kE4M3Fn, 8, Grid::group(32)); }},
    {"MXFP8",
     [] { return weights(Element::kE4M3Fn, 8, Grid::group(32), groups(Element::kE4M3Fn, 8, 32)); }},
};

// W2A4 to W8A16: groups of 128, activations dynamic per token below 16 bits.
std::optional<Scheme> of_bits(std::string_view name) {
  if (name.size() < 4 || name[0] != 'W' || name[2] != 'A') return std::nullopt;
  const int bits = name[1] - '0';
  const std::string_view inputs = name.substr(3);
  const int input_bits = inputs == "4" ? 4 : inputs == "8" ? 8 : inputs == "16" ? 16 : 0;
  if (bits < 2 || bits > 8 || input_bits < bits) return std::nullopt;
  return weights(Element::kInt, bits, Grid::group(128),
                 input_bits == 16 ? Activations::none() : int_tokens(input_bits));
}

}  // namespace

std::optional<CtPreset> ct_preset(std::string_view name) {
  const std::string upper = to_upper(name);
  if (upper == "UNQUANTIZED") return CtPreset{.quantises = false, .scheme = {}};
  for (const Named& preset : kPresets) {
    if (preset.name == upper) return CtPreset{.scheme = preset.scheme()};
  }
  if (const auto scheme = of_bits(upper)) return CtPreset{.scheme = *scheme};
  return std::nullopt;
}

}  // namespace requant
