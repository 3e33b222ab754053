// compressed-tensors sparse-24-bitmask: two of each four values kept. Read only.
//
//   compressed  any  [out, in / 2]
//   bitmask     U8   [out, ceil(in / 8)]
//   shape       I64  [2, 1]
//
// and the companions of a quantised weight, if it is one (codec/ct_sparse.h).

#include <fmt/format.h>

#include <bit>

#include "base/checked.h"
#include "codec/codec.h"
#include "codec/ct_sparse.h"
#include "codec/parts.h"

namespace requant {
namespace {

bool holds(const Scheme& scheme) {
  return find_codec("dense")->holds(scheme) || find_codec("ct-quantized")->holds(scheme);
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* values = find_part(parts, "compressed");
  const Tensor* mask = find_part(parts, "bitmask");
  if (values == nullptr || mask == nullptr || values->shape.size() != 2 ||
      mask->shape.size() != 2 || mask->dtype != DType::kU8 || values->shape[0] < 1 ||
      values->shape[1] < 1 || values->shape[1] > (std::int64_t{1} << 40) ||
      mask->shape != Shape{values->shape[0], ceil_div(values->shape[1] * 2, 8)}) {
    return std::nullopt;
  }
  return scheme_of_expanded(parts, values->dtype, {values->shape[0], values->shape[1] * 2},
                            declared);
}

Result<void> check_two_of_four(const Tensor& mask) {
  for (const std::uint8_t byte : mask.as<std::uint8_t>()) {
    const int low = std::popcount(byte & 0xFU);
    const int high = std::popcount(byte & 0xF0U);
    // The last byte of a row may have four columns only.
    if (low != 2 || (high != 2 && byte > 0xF)) {
      return corrupt(fmt::format("'bitmask' keeps {} of four values", low != 2 ? low : high));
    }
  }
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("ct-sparse-24 does not hold " + describe(scheme));
  RQ_TRY(const Shape shape, expanded_shape(parts, "shape"));
  const std::int64_t rows = shape[0];
  const std::int64_t cols = shape[1];
  RQ_TRY(const Tensor mask, require_part(parts, "bitmask", DType::kU8, {rows, ceil_div(cols, 8)}));
  RQ_TRY(const Tensor values, require_part(parts, "compressed"));
  if (cols % 4 != 0 || values.shape != Shape{rows, cols / 2} || info(values.dtype).bits < 8) {
    return unexpected("compressed", values, to_string({rows, cols / 2}));
  }
  RQ_CHECK(check_two_of_four(mask));
  RQ_TRY(Tensor weight, expand_bitmask(values, mask, rows, cols));
  return decode_expanded(parts, std::move(weight), scheme);
}

}  // namespace

extern const Codec k_codec_ct_sparse_24;
const Codec k_codec_ct_sparse_24 = {
    .name = "ct-sparse-24",
    .long_name = "compressed-tensors sparse-24-bitmask",
    .source = "neuralmagic/compressed-tensors sparse_compressors/sparse_24_bitmask.py@0.12.2",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
