// ggml's types of small floats and of the 16 values of IQ4; nibbles low first, then high. Bytes of
// a block in brackets:
//
//   MXFP4   32 [17]   e, qs[16]                   e2m1 x 2^(e - 127), elements j and j + 16
//   NVFP4   64 [36]   d[4], qs[32]                e2m1 x d, groups of 16 with elements j and j + 8
//   IQ4_NL  32 [18]   d, qs[16]                   d x value[q]
//   IQ4_XS 256 [136]  d, u16 sh, sl[4], qs[128]   d x (sc - 32) x value[q], groups of 32
//
// In NVFP4, d is E4M3 without a sign, and 0x7F means 0. In IQ4_XS, sc has four bits in sl and two
// in sh. Beside NVFP4 there may be `scale`, F32, one for each expert, which multiplies W.

#include <fmt/format.h>

#include <algorithm>

#include "codec/gguf_blocks.h"
#include "codec/parts.h"
#include "quant/codebook.h"

namespace requant {
namespace {

Scheme mxfp4() {
  Scheme scheme;
  scheme.element = Element::kE2M1;
  scheme.bits = 4;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = DType::kF8E8M0;
  return scheme;
}

constexpr GgufType kMXFP4 = {.codec = "gguf-mxfp4",
                             .long_name = "ggml MXFP4",
                             .elements = 32,
                             .bytes = 17,
                             .scheme = mxfp4,
                             .split =
                                 [](const std::uint8_t* block, const GgufBlock& out) {
                                   out.scales[0] = block[0];
                                   split_gguf_nibbles(block + 1, 16, 0, out.codes);
                                 },
                             .join =
                                 [](const GgufParts& in, std::uint8_t* block) {
                                   block[0] = in.scales[0];
                                   return join_gguf_nibbles(in.codes, 16, 0, block + 1);
                                 }};

Scheme nvfp4() {
  Scheme scheme = mxfp4();
  scheme.grid = Grid::group(16);
  scheme.scale_dtype = DType::kF8E4M3;
  return scheme;
}

void split_nvfp4(const std::uint8_t* block, const GgufBlock& out) {
  constexpr std::uint8_t kMagnitude = 0x7F;
  for (int i = 0; i < 4; ++i) {
    const auto scale = static_cast<std::uint8_t>(block[i] & kMagnitude);
    out.scales[i] = scale == kMagnitude ? 0 : scale;
    split_gguf_nibbles(block + 4 + 8 * i, 8, 0, out.codes + 16 * i);
  }
}

// 0x7F, which means 0, is a NaN elsewhere, and there are no scales below 0.
bool join_nvfp4(const GgufParts& in, std::uint8_t* block) {
  bool fits = true;
  for (int i = 0; i < 4; ++i) {
    block[i] = in.scales[i];
    fits = fits && in.scales[i] < 0x7F;
    fits = join_gguf_nibbles(in.codes + 16 * i, 8, 0, block + 4 + 8 * i) && fits;
  }
  return fits;
}

constexpr GgufType kNVFP4 = {.codec = "gguf-nvfp4",
                             .long_name = "ggml NVFP4",
                             .elements = 64,
                             .bytes = 36,
                             .scheme = nvfp4,
                             .split = split_nvfp4,
                             .join = join_nvfp4};

Scheme iq4_nl() {
  Scheme scheme;
  scheme.element = Element::kCodebook;
  scheme.bits = 4;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = DType::kF16;
  scheme.codebook = "iq4_nl";
  return scheme;
}

constexpr GgufType kIQ4_NL = {.codec = "gguf-iq4_nl",
                              .long_name = "ggml IQ4_NL",
                              .elements = 32,
                              .bytes = 18,
                              .scheme = iq4_nl,
                              .split =
                                  [](const std::uint8_t* block, const GgufBlock& out) {
                                    std::copy_n(block, 2, out.scales);
                                    split_gguf_nibbles(block + 2, 16, 0, out.codes);
                                  },
                              .codebook = iq4_codebook,
                              .join =
                                  [](const GgufParts& in, std::uint8_t* block) {
                                    std::copy_n(in.scales, 2, block);
                                    return join_gguf_nibbles(in.codes, 16, 0, block + 2);
                                  }};

Scheme iq4_xs() {
  Scheme scheme = iq4_nl();
  scheme.scale_dtype = DType::kI8;
  scheme.outer = OuterScale{.dtype = DType::kF16, .grid = Grid::group(256)};
  return scheme;
}

void split_iq4_xs(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  const std::uint32_t high = gguf_u16(block + 2);
  for (int i = 0; i < 8; ++i) {
    const int low = block[4 + i / 2] >> i % 2 * 4 & 15;
    out.scales[i] = gguf_byte((low | static_cast<int>(high >> 2 * i & 3) << 4) - 32);
    split_gguf_nibbles(block + 8 + 16 * i, 16, 0, out.codes + 32 * i);
  }
}

bool join_iq4_xs(const GgufParts& in, std::uint8_t* block) {
  std::copy_n(in.outer, 2, block);
  std::fill_n(block + 2, 6, std::uint8_t{0});
  bool fits = true;
  for (int i = 0; i < 8; ++i) {
    const int scale = static_cast<std::uint8_t>(in.scales[i] + 32);
    fits = fits && scale < 64;
    std::uint8_t& low = block[4 + i / 2];
    std::uint8_t& high = block[2 + i / 4];
    low = gguf_byte(low | (scale & 15) << i % 2 * 4);
    high = gguf_byte(high | (scale >> 4 & 3) << 2 * (i % 4));
    fits = join_gguf_nibbles(in.codes + 32 * i, 16, 0, block + 8 + 16 * i) && fits;
  }
  return fits;
}

constexpr GgufType kIQ4_XS = {.codec = "gguf-iq4_xs",
                              .long_name = "ggml IQ4_XS",
                              .elements = 256,
                              .bytes = 136,
                              .scheme = iq4_xs,
                              .split = split_iq4_xs,
                              .codebook = iq4_codebook,
                              .join = join_iq4_xs};

// NVFP4 with its factor: one for the whole tensor, or one for each expert.
std::optional<OuterScale> factor_of(const WeightParts& parts) {
  const Tensor* scale = find_part(parts, "scale");
  const Tensor* weight = find_part(parts, "weight");
  if (scale == nullptr || weight == nullptr) return std::nullopt;
  const Shape& shape = weight->shape;
  const bool is_one = scale->shape == Shape{1};
  const bool is_each =
      shape.size() == 3 && scale->shape == Shape{shape[0]} && shape[1] >= 1 && shape[0] > 1;
  if (scale->dtype != DType::kF32 || (!is_one && !is_each)) return std::nullopt;
  OuterScale outer;
  if (is_each) outer.grid = Grid::block(shape[1], 0);
  return outer;
}

std::optional<Scheme> nvfp4_scheme_of(const WeightParts& parts, const Scheme&) {
  auto scheme = scheme_of_gguf(kNVFP4, parts);
  if (!scheme || find_part(parts, "scale") == nullptr) return scheme;
  scheme->outer = factor_of(parts);
  return scheme->outer ? scheme : std::nullopt;
}

Result<QuantizedWeight> decode_nvfp4(const WeightParts& parts, const Scheme& scheme) {
  if (nvfp4_scheme_of(parts, scheme) != scheme) {
    return corrupt("'weight' and 'scale' are not those of ggml NVFP4");
  }
  RQ_TRY(QuantizedWeight out, decode_gguf(kNVFP4, parts, nvfp4()));
  if (!scheme.outer) return out;
  RQ_TRY(const Tensor factors, require_part(parts, "scale"));
  out.scheme = scheme;
  out.outer_scales = relabel(factors, DType::kF32, {factors.shape[0], 1});
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> nvfp4_layout(const Scheme& scheme, std::int64_t rows,
                                           std::int64_t cols) {
  RQ_TRY(auto specs, gguf_layout_of(kNVFP4, rows, cols));
  if (scheme.outer) specs.push_back({"scale", DType::kF32, {1}});
  return specs;
}

Result<WeightParts> encode_nvfp4(const QuantizedWeight& weight) {
  QuantizedWeight plain = weight;
  plain.scheme.outer.reset();
  plain.outer_scales = {};
  RQ_TRY(WeightParts parts, encode_gguf(kNVFP4, plain));
  if (!weight.scheme.outer) return parts;
  RQ_CHECK(validate(weight));
  if (!(*weight.scheme.outer == OuterScale{})) {
    return refused(fmt::format("ggml NVFP4 cannot hold {}", describe(weight.scheme)));
  }
  parts.emplace("scale", relabel(weight.outer_scales, DType::kF32, {1}));
  return parts;
}

bool holds_nvfp4(const Scheme& scheme) {
  Scheme plain = scheme;
  plain.outer.reset();
  return plain == nvfp4() && (!scheme.outer || *scheme.outer == OuterScale{});
}

}  // namespace

extern const Codec k_codec_gguf_mxfp4;
const Codec k_codec_gguf_mxfp4 = gguf_codec<kMXFP4>();
extern const Codec k_codec_gguf_nvfp4;
const Codec k_codec_gguf_nvfp4 = {
    .name = kNVFP4.codec,
    .long_name = kNVFP4.long_name,
    .source = kGgufSource,
    .holds = holds_nvfp4,
    .scheme_of = nvfp4_scheme_of,
    .decode = decode_nvfp4,
    .layout = nvfp4_layout,
    .encode = encode_nvfp4,
};
extern const Codec k_codec_gguf_iq4_nl;
const Codec k_codec_gguf_iq4_nl = gguf_codec<kIQ4_NL>();
extern const Codec k_codec_gguf_iq4_xs;
const Codec k_codec_gguf_iq4_xs = gguf_codec<kIQ4_XS>();

}  // namespace requant
