// The expert matrices of gpt-oss, all experts of a layer in one tensor.
//
//   blocks  U8  [experts, rows, in / 32, 16]  E2M1, low nibble first
//   scales  U8  [experts, rows, in / 32]      E8M0: 2^(byte - 127)
//
// W = blocks x scales. The neutral form has experts x rows rows in the order stored: expert 0 first
// and, in gate_up_proj, a row of gate before each row of up. Without the dimension of experts it is
// one matrix.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kGroup = 32;
constexpr std::int64_t kBytes = kGroup / 2;

Scheme mxfp4() {
  Scheme scheme;
  scheme.element = Element::kE2M1;
  scheme.bits = 4;
  scheme.grid = Grid::group(kGroup);
  scheme.scale_dtype = DType::kF8E8M0;
  return scheme;
}

bool holds(const Scheme& scheme) { return scheme == mxfp4(); }

// The shape of `scales`, when that of `blocks` is one.
std::optional<Shape> scales_shape(const Shape& blocks) {
  if ((blocks.size() != 3 && blocks.size() != 4) || blocks.back() != kBytes) return std::nullopt;
  Shape shape(blocks.begin(), blocks.end() - 1);
  for (const std::int64_t size : shape) {
    if (size < 1) return std::nullopt;
  }
  return shape;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme&) {
  const Tensor* blocks = find_part(parts, "blocks");
  const Tensor* scales = find_part(parts, "scales");
  if (blocks == nullptr || scales == nullptr || blocks->dtype != DType::kU8 ||
      scales->dtype != DType::kU8 || scales_shape(blocks->shape) != scales->shape) {
    return std::nullopt;
  }
  return mxfp4();
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("gpt-oss-mxfp4 does not hold " + describe(scheme));
  RQ_TRY(const Tensor blocks, require_part(parts, "blocks"));
  const auto shape = scales_shape(blocks.shape);
  if (blocks.dtype != DType::kU8 || !shape) {
    return unexpected("blocks", blocks, "U8 [experts, rows, in / 32, 16]");
  }
  RQ_TRY(const Tensor scales, require_part(parts, "scales", DType::kU8, *shape));
  QuantizedWeight out;
  out.scheme = scheme;
  out.cols = shape->back() * kGroup;
  // No overflow: `scales` is there with a byte for each group.
  const std::int64_t groups = scales.elements();
  out.rows = groups / shape->back();
  RQ_TRY(out.codes, unpack_codes(blocks, out.rows, out.cols, 4));
  out.scales = relabel(scales, DType::kF8E8M0, {out.rows, shape->back()});
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("gpt-oss-mxfp4 does not hold " + describe(scheme));
  if (rows < 1 || cols < 1 || cols % kGroup != 0) {
    return refused(fmt::format("{} columns are not whole blocks of {}", cols, kGroup));
  }
  const std::int64_t groups = cols / kGroup;
  return std::vector<PartSpec>{{"blocks", DType::kU8, {rows, groups, kBytes}},
                               {"scales", DType::kU8, {rows, groups}}};
}

// One matrix: without the dimension of experts.
Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const std::vector<PartSpec> specs, layout(weight.scheme, weight.rows, weight.cols));
  RQ_TRY(const Tensor packed, pack_codes(weight.codes, 4));
  WeightParts parts;
  parts.emplace("blocks", relabel(packed, DType::kU8, specs[0].shape));
  parts.emplace("scales", relabel(weight.scales, DType::kU8, specs[1].shape));
  return parts;
}

}  // namespace

extern const Codec k_codec_gpt_oss_mxfp4;
const Codec k_codec_gpt_oss_mxfp4 = {
    .name = "gpt-oss-mxfp4",
    .long_name = "gpt-oss MXFP4 experts",
    .source = "huggingface/transformers integrations/mxfp4.py@5.17.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
