// compressed-tensors sparse-bitmask: any values of a row kept. Read only.
//
//   weight.compressed   any  [kept]
//   weight.bitmask      U8   [out, ceil(in / 8)]
//   weight.row_offsets  I64  [out]  where each row begins among the values
//   weight.shape        I64  [2]
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

// Without the bytes of weight.shape the columns are known to a multiple of 8 only.
std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* values = find_part(parts, "weight.compressed");
  const Tensor* mask = find_part(parts, "weight.bitmask");
  if (values == nullptr || mask == nullptr || values->shape.size() != 1 ||
      mask->shape.size() != 2 || mask->dtype != DType::kU8 || mask->shape[0] < 1 ||
      mask->shape[1] < 1 || mask->shape[1] > (std::int64_t{1} << 40)) {
    return std::nullopt;
  }
  Shape shape = {mask->shape[0], mask->shape[1] * 8};
  const Tensor* stated = find_part(parts, "weight.shape");
  if (stated != nullptr && !stated->empty()) {
    const auto exact = expanded_shape(parts, "weight.shape");
    if (!exact) return std::nullopt;
    shape = *exact;
  }
  return scheme_of_expanded(parts, values->dtype, shape, declared);
}

Result<void> check_offsets(const Tensor& offsets, const Tensor& mask) {
  const auto width = static_cast<std::size_t>(mask.shape[1]);
  const auto bits = mask.as<std::uint8_t>();
  std::int64_t begin = 0;
  for (std::size_t row = 0; row < static_cast<std::size_t>(mask.shape[0]); ++row) {
    const std::int64_t stated = offsets.as<std::int64_t>()[row];
    if (stated != begin) {
      return corrupt(
          fmt::format("'weight.row_offsets' has {} for row {}, expected {}", stated, row, begin));
    }
    for (const std::uint8_t byte : bits.subspan(row * width, width)) begin += std::popcount(byte);
  }
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("ct-sparse-bitmask does not hold " + describe(scheme));
  RQ_TRY(const Shape shape, expanded_shape(parts, "weight.shape"));
  const std::int64_t rows = shape[0];
  const std::int64_t cols = shape[1];
  RQ_TRY(const Tensor mask,
         require_part(parts, "weight.bitmask", DType::kU8, {rows, ceil_div(cols, 8)}));
  RQ_TRY(const Tensor offsets, require_part(parts, "weight.row_offsets", DType::kI64, {rows}));
  RQ_TRY(const Tensor values, require_part(parts, "weight.compressed"));
  if (values.shape.size() != 1 || info(values.dtype).bits < 8) {
    return unexpected("weight.compressed", values, "one dimension");
  }
  RQ_CHECK(check_offsets(offsets, mask));
  RQ_TRY(Tensor weight, expand_bitmask(values, mask, rows, cols));
  return decode_expanded(parts, std::move(weight), scheme);
}

}  // namespace

extern const Codec k_codec_ct_sparse_bitmask;
const Codec k_codec_ct_sparse_bitmask = {
    .name = "ct-sparse-bitmask",
    .long_name = "compressed-tensors sparse-bitmask",
    .source = "neuralmagic/compressed-tensors sparse_compressors/sparse_bitmask.py@0.12.2",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
