#include <fmt/format.h>

#include <cmath>

#include "codec/transform.h"
#include "codec/transform_scales.h"

namespace requant {
namespace {

bool has_plain_scales(const Scheme& s) {
  return s.element == Element::kInt && !s.is_dense() && !s.outer && !s.grid.flat && !s.permuted &&
         is_half_or_single(s.scale_dtype);
}

// I8 codes of `bits` bits as U8 codes from 0, or back: the top bit of the field turns.
Result<Tensor> with_origin_moved(const Tensor& codes, int bits, DType dtype) {
  const int half = 1 << (bits - 1);
  const int move = dtype == DType::kU8 ? half : -half;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(dtype, codes.shape));
  const auto from = codes.as<std::uint8_t>();
  const auto to = out.as<std::uint8_t>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = static_cast<std::uint8_t>(from[i] + move);
  }
  return std::move(out).finish();
}

}  // namespace

Result<MinimaRounding> with_minima(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  if (!has_plain_scales(scheme) || scheme.offset == Offset::kMinimum) {
    return refused(describe(scheme) + " has no form with minima");
  }
  MinimaRounding out{.weight = weight};
  const int half = 1 << (scheme.bits - 1);
  RQ_TRY(TensorBuilder minima, TensorBuilder::make(scheme.scale_dtype, weight.scales.shape));
  const std::int64_t count = weight.scales.elements();
  const auto exact = [&](std::int64_t i) {
    const int zero = weight.zeros.empty()
                         ? 0
                         : int{weight.zeros.as<std::int16_t>()[static_cast<std::size_t>(i)]};
    return -(half + zero) * element_as_double(weight.scales, i);
  };
  for (std::int64_t i = 0; i < count; ++i) {
    store_scale(minima, scheme.scale_dtype, i, static_cast<float>(exact(i)));
  }
  out.weight.minima = std::move(minima).finish();
  for (std::int64_t i = 0; i < count; ++i) {
    const double stored = element_as_double(out.weight.minima, i);
    if (stored == exact(i)) continue;
    if (!std::isfinite(stored)) {
      return refused(fmt::format("the minimum of group {} is {}, which {} does not hold", i,
                                 exact(i), name_of(scheme.scale_dtype)));
    }
    ++out.minima;
  }
  RQ_TRY(out.weight.codes, with_origin_moved(weight.codes, scheme.bits, DType::kU8));
  out.weight.zeros = {};
  out.weight.scheme.offset = Offset::kMinimum;
  RQ_CHECK(validate(out.weight));
  return out;
}

Result<std::optional<QuantizedWeight>> without_minima(const QuantizedWeight& weight,
                                                      Offset offset) {
  const Scheme& scheme = weight.scheme;
  if (!has_plain_scales(scheme) || scheme.offset != Offset::kMinimum) {
    return refused(describe(scheme) + " has no minima beside plain scales");
  }
  std::optional<QuantizedWeight> out;
  const int half = 1 << (scheme.bits - 1);
  RQ_TRY(TensorBuilder zeros, TensorBuilder::make(DType::kI16, weight.scales.shape));
  const std::int64_t count = weight.scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = element_as_double(weight.scales, i);
    const double minimum = element_as_double(weight.minima, i);
    const double zero = scale == 0 ? half : std::nearbyint(-minimum / scale);
    // The product of a scale and a small integer is exact.
    const bool fits = zero >= 0 && zero < 2 * half && -zero * scale == minimum;
    if (!fits || (offset == Offset::kNone && zero != half)) return out;
    zeros.as<std::int16_t>()[static_cast<std::size_t>(i)] =
        static_cast<std::int16_t>(static_cast<int>(zero) - half);
  }
  out = weight;
  out->scheme.offset = offset;
  out->minima = {};
  if (offset == Offset::kZero) out->zeros = std::move(zeros).finish();
  RQ_TRY(out->codes, with_origin_moved(weight.codes, scheme.bits, DType::kI8));
  RQ_CHECK(validate(*out));
  return out;
}

}  // namespace requant
