#include "codec/ct_packed.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/threads.h"
#include "codec/ct_parts.h"
#include "codec/grid_shape.h"
#include "codec/parts.h"
#include "kernel/bits.h"

namespace requant {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;  // far beyond any weight
constexpr std::size_t kGrain = std::size_t{1} << 21;        // codes that are worth a thread

// With 1, 2, 4 and 8 bits the two layouts are one.
bool is_odd(int bits) { return bits >= 1 && 32 % bits != 0; }

bool fill_has(WordFill fill, int bits) { return fill == WordFill::kStream || is_odd(bits); }

bool fits(std::int64_t cols, int bits, WordFill fill, std::int64_t words) {
  return cols >= 1 && cols <= kMaxExtent && packed_words(cols, bits, fill) == words;
}

// The inputs as weight_shape or weight_g_idx state them.
std::optional<std::int64_t> stated_cols(const WeightParts& parts) {
  const Tensor* shape = find_part(parts, "weight_shape");
  if (shape != nullptr && (shape->dtype == DType::kI64 || shape->dtype == DType::kI32) &&
      shape->shape == Shape{2} && shape->bytes.size() == (shape->dtype == DType::kI64 ? 16 : 8)) {
    return static_cast<std::int64_t>(element_as_double(*shape, 1));
  }
  const Tensor* order = find_part(parts, "weight_g_idx");
  if (order != nullptr && order->shape.size() == 1) return order->shape[0];
  return std::nullopt;
}

bool declares_bits(const Scheme& declared, WordFill fill) {
  return declared.element == Element::kInt && declared.bits >= 1 && declared.bits <= 8 &&
         fill_has(fill, declared.bits);
}

struct Size {
  int bits = 0;
  std::int64_t cols = 0;
};

// What the width of the words allows: the declared bits, or the only ones.
std::optional<Size> size_for(std::int64_t cols, const Scheme& declared, WordFill fill,
                             std::int64_t words) {
  if (declares_bits(declared, fill) && fits(cols, declared.bits, fill, words)) {
    return Size{declared.bits, cols};
  }
  std::optional<Size> found;
  for (int bits = 1; bits <= 8; ++bits) {
    if (!fill_has(fill, bits) || !fits(cols, bits, fill, words)) continue;
    if (found) return std::nullopt;
    found = Size{bits, cols};
  }
  return found;
}

std::optional<Size> size_of(const WeightParts& parts, const Scheme& declared, WordFill fill,
                            std::int64_t words, std::int64_t groups) {
  if (const auto cols = stated_cols(parts)) return size_for(*cols, declared, fill, words);
  if (!declares_bits(declared, fill) || words > kMaxExtent || groups > kMaxExtent) {
    return std::nullopt;
  }
  const std::int64_t group = declared.grid.is_group() ? declared.grid.block_cols : 0;
  if (group > 0 && group <= kMaxExtent / groups &&
      fits(groups * group, declared.bits, fill, words)) {
    return Size{declared.bits, groups * group};
  }
  // The most that the words hold: exact where codes fill them, enough where there is one group.
  const std::int64_t most =
      fill == WordFill::kStream ? words * 32 / declared.bits : words * (32 / declared.bits);
  const bool exact = fill == WordFill::kStream && words * 32 % declared.bits == 0;
  if (groups > 1 && !exact) return std::nullopt;
  return Size{declared.bits, most};
}

bool zeros_fit(const Tensor& zeros, const Scheme& scheme, std::int64_t rows, std::int64_t groups,
               WordFill fill) {
  if (scheme.grid.is_tensor()) return zeros.dtype == DType::kI8;
  return zeros.dtype == DType::kI32 &&
         zeros.shape == Shape{packed_words(rows, scheme.bits, fill), groups};
}

kernel::BitOrder order_of(WordFill fill) {
  return fill == WordFill::kStream ? kernel::BitOrder::kStream : kernel::BitOrder::kWholeWords;
}

// Words [rows, n] -> signed codes, I8 [rows, cols].
Result<Tensor> unpack(const Tensor& words, int bits, std::int64_t cols, WordFill fill) {
  const std::int64_t row_bytes = 4 * words.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {words.shape[0], cols}));
  const auto* from = words.as<std::uint8_t>().data();
  auto* to = out.as<std::uint8_t>().data();
  parallel_for(static_cast<std::size_t>(words.shape[0]),
               kGrain / static_cast<std::size_t>(cols) + 1,
               [&](std::size_t begin, std::size_t end) {
                 const auto row = static_cast<std::int64_t>(begin);
                 kernel::unpack_bits({.packed = from + row * row_bytes,
                                      .row_bytes = row_bytes,
                                      .codes = to + row * cols,
                                      .rows = static_cast<std::int64_t>(end - begin),
                                      .cols = cols,
                                      .bits = bits,
                                      .order = order_of(fill),
                                      .bias = 1 << (bits - 1)});
               });
  return std::move(out).finish();
}

// Words [n, groups], packed along out -> I16 [rows, groups].
Result<Tensor> unpack_zeros(const Tensor& words, int bits, std::int64_t rows, WordFill fill) {
  RQ_TRY(const Tensor turned, transpose(words));
  RQ_TRY(const Tensor codes, unpack(turned, bits, rows, fill));
  RQ_TRY(const Tensor zeros, transpose(codes));
  return widen_i8(zeros);
}

Result<void> read_size(const WeightParts& parts, QuantizedWeight& out) {
  RQ_TRY(const Tensor shape, require_part(parts, "weight_shape"));
  if ((shape.dtype != DType::kI64 && shape.dtype != DType::kI32) || shape.shape != Shape{2}) {
    return unexpected("weight_shape", shape, "I64 [2]");
  }
  const double rows = element_as_double(shape, 0);
  const double cols = element_as_double(shape, 1);
  const auto most = static_cast<double>(kMaxExtent);
  if (rows < 1 || cols < 1 || rows > most || cols > most) {
    return corrupt(fmt::format("'weight_shape' says {} x {}", rows, cols));
  }
  out.rows = static_cast<std::int64_t>(rows);
  out.cols = static_cast<std::int64_t>(cols);
  return {};
}

Result<void> decode_zeros(const WeightParts& parts, WordFill fill, QuantizedWeight& out) {
  const Scheme& scheme = out.scheme;
  if (scheme.grid.is_tensor()) {
    RQ_TRY(const Tensor zeros, require_on_grid(parts, "weight_zero_point", DType::kI8, out));
    RQ_TRY(out.zeros, widen_i8(zeros));
    return {};
  }
  const Shape shape = {packed_words(out.rows, scheme.bits, fill),
                       scheme.grid.cols_of(out.rows, out.cols)};
  RQ_TRY(const Tensor words, require_part(parts, "weight_zero_point", DType::kI32, shape));
  RQ_TRY(out.zeros, unpack_zeros(words, scheme.bits, out.rows, fill));
  return {};
}

// Symmetric files may carry zero points: all 0, packed or not.
Result<void> check_symmetric(const WeightParts& parts, WordFill fill, const QuantizedWeight& w) {
  const Tensor* zeros = find_part(parts, "weight_zero_point");
  if (zeros == nullptr || zeros->dtype != DType::kI32) return check_zero_points_absent(parts);
  QuantizedWeight packed = w;
  RQ_CHECK(decode_zeros(parts, fill, packed));
  if (std::ranges::all_of(packed.zeros.as<std::int16_t>(), [](auto zero) { return zero == 0; })) {
    return {};
  }
  return corrupt("'weight_zero_point' is not 0 though the scheme is symmetric");
}

// All -1 where the producer made the tensor and did not use it.
Result<void> decode_order(const WeightParts& parts, QuantizedWeight& out) {
  RQ_TRY(out.permutation, require_part(parts, "weight_g_idx", DType::kI32, {out.cols}));
  const std::int64_t groups = out.scheme.grid.cols_of(out.rows, out.cols);
  const auto order = out.permutation.as<std::int32_t>();
  if (std::ranges::all_of(order, [](std::int32_t group) { return group == -1; })) {
    RQ_TRY(TensorBuilder plain, TensorBuilder::make(DType::kI32, {out.cols}));
    for (std::int64_t col = 0; col < out.cols; ++col) {
      plain.as<std::int32_t>()[static_cast<std::size_t>(col)] =
          static_cast<std::int32_t>(col / out.scheme.grid.block_cols);
    }
    out.permutation = std::move(plain).finish();
    return {};
  }
  const auto outside =
      std::ranges::find_if(order, [&](std::int32_t group) { return group < 0 || group >= groups; });
  if (outside == order.end()) return {};
  return corrupt(fmt::format("'weight_g_idx' holds {}, and there are {} groups", *outside, groups));
}

}  // namespace

std::int64_t packed_words(std::int64_t count, int bits, WordFill fill) {
  return fill == WordFill::kStream ? ceil_div(count * bits, 32) : ceil_div(count, 32 / bits);
}

bool holds_ct_packed(const Scheme& s, WordFill fill) {
  const bool is_grid = s.grid.is_tensor() || s.grid.is_channel() || s.grid.is_group();
  return s.element == Element::kInt && s.bits >= 1 && s.bits <= 8 && fill_has(fill, s.bits) &&
         is_grid && !s.is_dense() && is_half_or_single(s.scale_dtype) &&
         s.offset != Offset::kMinimum && !s.outer && (!s.permuted || s.grid.is_group()) &&
         !s.input_multiplier && s.rotation.empty() && holds_ct_activations(s.activations);
}

std::optional<Scheme> scheme_of_ct_packed(const WeightParts& parts, const Scheme& declared,
                                          WordFill fill) {
  const Tensor* packed = find_part(parts, "weight_packed");
  const Tensor* scale = find_part(parts, "weight_scale");
  if (packed == nullptr || scale == nullptr || packed->dtype != DType::kI32 ||
      packed->shape.size() != 2 || !is_half_or_single(scale->dtype)) {
    return std::nullopt;
  }
  const std::int64_t rows = packed->shape[0];
  const std::int64_t groups = scale->shape.size() == 2 ? scale->shape[1] : 1;
  if (rows < 1 || rows > kMaxExtent || packed->shape[1] < 1 || groups < 1) return std::nullopt;
  const auto size = size_of(parts, declared, fill, packed->shape[1], groups);
  if (!size) return std::nullopt;
  const auto grid = grid_of_shape(scale->shape, rows, size->cols, declared.grid);
  if (!grid) return std::nullopt;
  const Tensor* order = find_part(parts, "weight_g_idx");
  if (order != nullptr && order->shape != Shape{size->cols}) return std::nullopt;
  Scheme scheme;
  scheme.bits = size->bits;
  scheme.grid = *grid;
  scheme.scale_dtype = scale->dtype;
  scheme.permuted = order != nullptr;
  scheme.activations = ct_activations(parts, declared.activations);
  const Tensor* zeros = find_part(parts, "weight_zero_point");
  if (zeros != nullptr && declared.offset == Offset::kZero) {
    if (!zeros_fit(*zeros, scheme, rows, groups, fill)) return std::nullopt;
    scheme.offset = Offset::kZero;
  }
  return holds_ct_packed(scheme, fill) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> decode_ct_packed(const WeightParts& parts, const Scheme& scheme,
                                         WordFill fill) {
  if (!holds_ct_packed(scheme, fill)) {
    return refused("pack-quantized does not hold " + describe(scheme));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  RQ_CHECK(read_size(parts, out));
  RQ_TRY(const Tensor packed, require_part(parts, "weight_packed", DType::kI32,
                                           {out.rows, packed_words(out.cols, scheme.bits, fill)}));
  RQ_TRY(out.codes, unpack(packed, scheme.bits, out.cols, fill));
  RQ_TRY(out.scales, require_on_grid(parts, "weight_scale", scheme.scale_dtype, out));
  if (scheme.offset == Offset::kZero) {
    RQ_CHECK(decode_zeros(parts, fill, out));
  } else {
    RQ_CHECK(check_symmetric(parts, fill, out));
  }
  if (scheme.permuted) RQ_CHECK(decode_order(parts, out));
  RQ_CHECK(decode_ct_activations(parts, out));
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace requant
