#include <fmt/format.h>

#include <cmath>

#include "codec/transform.h"
#include "quant/row_reader.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// The group of an input along its row of the grid.
std::int64_t group_of(const QuantizedWeight& w, std::int64_t col) {
  if (w.scheme.permuted) return w.permutation.as<std::int32_t>()[at(col)];
  return w.scheme.grid.block_cols == 0 ? 0 : col / w.scheme.grid.block_cols;
}

// value x factor, exact: value is a product of a code and scales, without minimum.
ExactValue times(const ExactValue& value, double factor) {
  const double high = value.high * factor;
  return {.high = high,
          .low = std::fma(value.high, factor, -high) + value.low * factor,
          .addend = 0,
          .divisor = value.divisor};
}

void store(TensorBuilder& out, DType dtype, std::int64_t index, const ExactValue& value) {
  switch (dtype) {
    case DType::kF16:
      out.as<std::uint16_t>()[at(index)] = f32_to_f16(odd_f32(value));
      break;
    case DType::kBF16:
      out.as<std::uint16_t>()[at(index)] = f32_to_bf16(odd_f32(value));
      break;
    default:
      out.as<float>()[at(index)] = nearest_f32(value);
      break;
  }
}

Result<Tensor> ones(const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, shape));
  for (std::byte& code : out.bytes()) code = std::byte{1};
  return std::move(out).finish();
}

}  // namespace

Result<std::optional<QuantizedWeight>> without_zeros(const QuantizedWeight& weight, int bits) {
  const Scheme& scheme = weight.scheme;
  if (scheme.element != Element::kInt || scheme.offset != Offset::kZero || scheme.grid.flat) {
    return refused(describe(scheme) + " has no integer zero points");
  }
  std::optional<QuantizedWeight> out;
  const int limit = 1 << (bits - 1);
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kI8, weight.codes.shape));
  const auto from = weight.codes.as<std::int8_t>();
  const auto to = codes.as<std::int8_t>();
  const auto zeros = weight.zeros.as<std::int16_t>();
  const std::int64_t per_row = scheme.grid.cols_of(weight.rows, weight.cols);
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    const std::int64_t first =
        (scheme.grid.block_rows == 0 ? 0 : row / scheme.grid.block_rows) * per_row;
    for (std::int64_t col = 0; col < weight.cols; ++col) {
      const std::int64_t group = group_of(weight, col);
      if (group < 0 || group >= per_row) return out;
      const std::size_t i = at(row * weight.cols + col);
      const int code = int{from[i]} - int{zeros[at(first + group)]};
      if (code < -limit || code >= limit) return out;
      to[i] = static_cast<std::int8_t>(code);
    }
  }
  out = weight;
  out->codes = std::move(codes).finish();
  out->zeros = {};
  out->scheme.offset = Offset::kNone;
  out->scheme.bits = bits;
  RQ_CHECK(validate(*out));
  return out;
}

Result<std::optional<QuantizedWeight>> without_permutation(const QuantizedWeight& weight) {
  std::optional<QuantizedWeight> out;
  const std::int64_t block = weight.scheme.grid.block_cols;
  for (std::int64_t col = 0; weight.scheme.permuted && col < weight.cols; ++col) {
    if (group_of(weight, col) != (block == 0 ? 0 : col / block)) return out;
  }
  out = weight;
  out->permutation = {};
  out->scheme.permuted = false;
  return out;
}

Result<QuantizedWeight> with_multiplier_applied(const QuantizedWeight& weight, DType dtype) {
  const Scheme& scheme = weight.scheme;
  if (scheme.offset == Offset::kMinimum || !weight.scale_codebook.empty()) {
    return refused("values of " + describe(scheme) + " do not take the factors of their inputs");
  }
  QuantizedWeight out;
  out.scheme = Scheme::dense(dtype);
  out.rows = weight.rows;
  out.cols = weight.cols;
  RQ_TRY(out.codes, ones({weight.rows, weight.cols}));
  RQ_TRY(TensorBuilder values, TensorBuilder::make(dtype, {weight.rows, weight.cols}));
  RowReader reader(weight);
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    const auto exact = reader.read(row);
    for (std::int64_t col = 0; col < weight.cols; ++col) {
      const double factor =
          weight.input_multiplier.empty() ? 1 : element_as_double(weight.input_multiplier, col);
      store(values, dtype, row * weight.cols + col, times(exact[at(col)], factor));
    }
  }
  out.scales = std::move(values).finish();
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace requant
