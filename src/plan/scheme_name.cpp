#include "plan/scheme_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/letter_case.h"
#include "base/text.h"
#include "codec/codec.h"
#include "container/ggml_types.h"

namespace requant {
namespace {

enum class Inputs : std::uint8_t { kNone, kToken, kGroup };

struct Named {
  std::string_view name;
  std::string_view meaning;
  Element element;
  int bits;
  Grid grid;
  Inputs inputs;     // how activations are quantised at run time
  bool says_inputs;  // the name itself says so
};

constexpr Grid kGroup32 = Grid::group(32);
constexpr Grid kFlat64 = {.block_cols = 64, .flat = true};
constexpr std::int64_t kNestedBlock = 256;  // scales that share an outer one
constexpr Grid kGroup128 = Grid::group(128);
constexpr Grid kBlock128 = Grid::block(128, 128);

constexpr auto kNames = std::to_array<Named>({
    {"int8", "8-bit integers per channel", Element::kInt, 8, Grid::channel(), Inputs::kToken,
     false},
    {"int4", "4-bit integers in groups of 128", Element::kInt, 4, kGroup128, Inputs::kNone, false},
    {"fp8", "e4m3fn per channel", Element::kE4M3Fn, 8, Grid::channel(), Inputs::kToken, false},
    {"e4m3fn", "the same as fp8", Element::kE4M3Fn, 8, Grid::channel(), Inputs::kToken, false},
    {"float8_e4m3fn", "the same as fp8", Element::kE4M3Fn, 8, Grid::channel(), Inputs::kToken,
     false},
    {"e4m3fnuz", "e4m3fnuz per channel", Element::kE4M3Fnuz, 8, Grid::channel(), Inputs::kToken,
     false},
    {"e5m2", "e5m2 per channel", Element::kE5M2, 8, Grid::channel(), Inputs::kToken, false},
    {"float8_e5m2", "the same as e5m2", Element::kE5M2, 8, Grid::channel(), Inputs::kToken, false},
    {"w8a8", "int8 per channel, activations int8 per token", Element::kInt, 8, Grid::channel(),
     Inputs::kToken, true},
    {"w8a16", "int8 per channel, activations left alone", Element::kInt, 8, Grid::channel(),
     Inputs::kNone, true},
    {"w6a16", "6-bit integers in groups of 128", Element::kInt, 6, kGroup128, Inputs::kNone, true},
    {"w5a16", "5-bit integers in groups of 128", Element::kInt, 5, kGroup128, Inputs::kNone, true},
    {"w4a16", "4-bit integers in groups of 128", Element::kInt, 4, kGroup128, Inputs::kNone, true},
    {"w3a16", "3-bit integers in groups of 128", Element::kInt, 3, kGroup128, Inputs::kNone, true},
    {"w2a16", "2-bit integers in groups of 128", Element::kInt, 2, kGroup128, Inputs::kNone, true},
    {"nvfp4", "e2m1 in groups of 16, e4m3fn scales, one F32 scale over them", Element::kE2M1, 4,
     Grid::group(16), Inputs::kNone, false},
    {"nvfp4a16", "the same, activations left alone", Element::kE2M1, 4, Grid::group(16),
     Inputs::kNone, true},
    {"mxfp4", "e2m1 in groups of 32, power-of-two scales", Element::kE2M1, 4, kGroup32,
     Inputs::kGroup, false},
    {"mxfp4a16", "the same, activations left alone", Element::kE2M1, 4, kGroup32, Inputs::kNone,
     true},
    {"mxfp6-e2m3", "e2m3 in groups of 32, power-of-two scales", Element::kE2M3, 6, kGroup32,
     Inputs::kGroup, false},
    {"mxfp6-e3m2", "e3m2 in groups of 32, power-of-two scales", Element::kE3M2, 6, kGroup32,
     Inputs::kGroup, false},
    {"mxfp8", "e4m3fn in groups of 32, power-of-two scales", Element::kE4M3Fn, 8, kGroup32,
     Inputs::kGroup, false},
    {"mxfp8a16", "the same, activations left alone", Element::kE4M3Fn, 8, kGroup32, Inputs::kNone,
     true},
    {"nf4", "16 quantiles of a normal distribution, in flat blocks of 64", Element::kCodebook, 4,
     kFlat64, Inputs::kNone, true},
    {"fp4", "the 16 values of bitsandbytes' fp4, in flat blocks of 64", Element::kCodebook, 4,
     kFlat64, Inputs::kNone, true},
});

Activations activations_of(const Named& named) {
  switch (named.inputs) {
    case Inputs::kNone:
      return Activations::none();
    case Inputs::kToken:
      return Activations::dynamic_token(named.element);
    case Inputs::kGroup:
      return {.kind = ActivationKind::kDynamic,
              .element = named.element,
              .bits = named.bits,
              .granularity = Granularity::kGroup,
              .group = named.grid.block_cols};
  }
  return Activations::none();
}

SchemeRequest request_of(const Named& named, std::string_view text) {
  SchemeRequest request;
  request.text = text;
  Scheme& scheme = request.scheme;
  scheme.element = named.element;
  scheme.bits = named.bits;
  scheme.grid = named.grid;
  scheme.activations = activations_of(named);
  request.fixes_activations = named.says_inputs;
  const bool is_nvfp4 = named.name.starts_with("nvfp4");
  const bool is_micro = named.name.starts_with("mx");
  if (is_nvfp4) {
    scheme.scale_dtype = DType::kF8E4M3;
    scheme.outer = OuterScale{};
  }
  if (is_micro) scheme.scale_dtype = DType::kF8E8M0;
  if (named.element == Element::kCodebook) scheme.codebook = named.name;
  request.fixes_grid = is_nvfp4 || is_micro || scheme.grid.flat;
  return request;
}

// "g32" -> 32; 0 for what is no group.
std::int64_t group_size(std::string_view word) {
  std::int64_t size = 0;
  if (!word.starts_with('g')) return 0;
  const auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), size);
  return error == std::errc() && end == word.data() + word.size() && size > 0 ? size : 0;
}

// Of nvfp4, activations get a scale for each group at run time, under a static one.
Activations static_activations(const Scheme& scheme) {
  if (!scheme.outer) return Activations::static_tensor(scheme.element);
  return {.kind = ActivationKind::kDynamic,
          .element = scheme.element,
          .bits = scheme.bits,
          .granularity = Granularity::kGroup,
          .group = scheme.grid.block_cols};
}

bool make_static(SchemeRequest& request) {
  Scheme& scheme = request.scheme;
  const bool left_alone =
      request.fixes_activations && scheme.activations.kind == ActivationKind::kNone;
  const bool is_micro = scheme.scale_dtype == DType::kF8E8M0;
  if (left_alone || is_micro || scheme.grid.flat || request.is_static) return false;
  scheme.activations = static_activations(scheme);
  request.fixes_activations = true;
  request.is_static = true;
  return true;
}

bool make_asymmetric(SchemeRequest& request, bool asymmetric) {
  request.scheme.offset = asymmetric ? Offset::kZero : Offset::kNone;
  request.fixes_offset = true;
  return request.scheme.element == Element::kInt;
}

// Scales of fp8 blocks that are powers of two.
bool make_powers(Scheme& scheme) {
  if (scheme.element != Element::kE4M3Fn || scheme.grid != kBlock128) return false;
  scheme.scale_dtype = DType::kF8E8M0;
  return true;
}

// Blocks of a codebook: their size, and scales that have scales themselves.
bool add_flat_word(std::string_view word, Scheme& scheme) {
  if (const std::int64_t size = group_size(word); size > 0 && !scheme.outer) {
    scheme.grid.block_cols = size;
    return true;
  }
  if (word != "nested" || scheme.outer) return false;
  scheme.scale_dtype = DType::kU8;
  scheme.outer =
      OuterScale{.grid = {.block_cols = scheme.grid.block_cols * kNestedBlock, .flat = true}};
  return true;
}

bool add_grid_word(std::string_view word, SchemeRequest& request) {
  Scheme& scheme = request.scheme;
  if (scheme.outer || scheme.scale_dtype == DType::kF8E8M0) return false;  // their grid is theirs
  request.fixes_grid = true;
  if (word == "channel") {
    scheme.grid = Grid::channel();
  } else if (word == "tensor") {
    scheme.grid = Grid::tensor();
  } else if (word == "block") {
    scheme.grid = kBlock128;
    if (!request.fixes_activations) {
      scheme.activations = {.kind = ActivationKind::kDynamic,
                            .element = scheme.element,
                            .granularity = Granularity::kGroup,
                            .group = kBlock128.block_cols};
    }
  } else if (const std::int64_t size = group_size(word); size > 0) {
    scheme.grid = Grid::group(size);
    if (!request.fixes_activations) scheme.activations = Activations::none();
  } else {
    return false;
  }
  return true;
}

bool add_scale_dtype(DType dtype, SchemeRequest& request) {
  Scheme& scheme = request.scheme;
  const bool free = !scheme.outer && !scheme.grid.flat && scheme.scale_dtype != DType::kF8E8M0;
  scheme.scale_dtype = free ? dtype : scheme.scale_dtype;
  request.fixes_scales = free;
  return free;
}

bool add_word(std::string_view word, SchemeRequest& request) {
  if (word == "f32") return add_scale_dtype(DType::kF32, request);
  if (word == "bf16") return add_scale_dtype(DType::kBF16, request);
  if (word == "f16") return add_scale_dtype(DType::kF16, request);
  if (word == "static") return make_static(request);
  if (word == "ue8m0") return make_powers(request.scheme);
  if (request.scheme.grid.flat) return add_flat_word(word, request.scheme);
  if (word == "asym" || word == "sym") return make_asymmetric(request, word == "asym");
  return add_grid_word(word, request);
}

// The longest name that `text` begins with, as a whole word.
const Named* name_in(std::string_view text) {
  const Named* found = nullptr;
  for (const Named& named : kNames) {
    const bool begins =
        text == named.name || (text.starts_with(named.name) && text[named.name.size()] == '-');
    if (begins && (found == nullptr || named.name.size() > found->name.size())) found = &named;
  }
  return found;
}

// A block type of ggml by its own name ("q4_0", "q6_k"), which leaves nothing open.
std::optional<SchemeRequest> ggml_type_named(std::string_view text) {
  const GgmlType* type = ggml_type(to_upper(text));
  const Codec* codec = find_codec(fmt::format("gguf-{}", text));
  // Those two are names of schemes that several formats have.
  if (type == nullptr || codec == nullptr || name_in(text) != nullptr) return std::nullopt;
  const WeightParts block = {{"weight", Tensor{DType::kU8, {1, type->block_bytes}, {}}}};
  const auto scheme = codec->scheme_of(block, {});
  if (!scheme) return std::nullopt;
  return SchemeRequest{.text = std::string(text),
                       .scheme = *scheme,
                       .fixes_grid = true,
                       .fixes_offset = true,
                       .fixes_activations = true,
                       .fixes_scales = true};
}

Error no_scheme(std::string_view text) {
  std::vector<std::string> names;
  for (const Named& named : kNames) names.emplace_back(named.name);
  return usage(
      fmt::format("{} is no scheme here; there are {}, each with -gN, -channel, -tensor, -block, "
                  "-asym, -static, -ue8m0, -nested, -f32, -bf16, -f16 where that makes sense",
                  in_quotes(text), join(names, ", ")));
}

}  // namespace

Result<SchemeRequest> parse_scheme(std::string_view text) {
  if (auto request = ggml_type_named(text)) return *std::move(request);
  const Named* named = name_in(text);
  if (named == nullptr) return no_scheme(text);
  SchemeRequest request = request_of(*named, text);
  const std::string_view rest = text.substr(named->name.size());
  if (rest.empty()) return request;
  for (const std::string_view word : split(rest.substr(1), '-')) {
    if (!add_word(word, request)) return no_scheme(text);
  }
  return request;
}

namespace {

// A minimum is where an asymmetric scheme has its zero in formats that know no zero points.
bool has_offset(const Scheme& scheme, Offset wanted) {
  return scheme.offset == wanted || (scheme.offset == Offset::kMinimum && wanted == Offset::kZero);
}

}  // namespace

bool satisfies(const Scheme& scheme, const SchemeRequest& request) {
  const Scheme& wanted = request.scheme;
  const bool microscaling = wanted.scale_dtype == DType::kF8E8M0;
  return scheme.element == wanted.element && scheme.bits == wanted.bits &&
         (!request.fixes_grid || scheme.grid == wanted.grid) &&
         (!request.fixes_offset || has_offset(scheme, wanted.offset)) &&
         (!request.fixes_scales || scheme.scale_dtype == wanted.scale_dtype) &&
         (!request.fixes_activations || scheme.activations == wanted.activations) &&
         scheme.codebook == wanted.codebook &&
         (wanted.element == Element::kInt ||
          scheme.outer.has_value() == wanted.outer.has_value()) &&
         (scheme.scale_dtype == DType::kF8E8M0) == microscaling;
}

std::vector<SchemeName> scheme_names() {
  std::vector<SchemeName> names;
  for (const Named& named : kNames) names.push_back({named.name, named.meaning});
  return names;
}

}  // namespace requant
