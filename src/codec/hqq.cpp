// HQQ with groups along the inputs (axis 1): the weight as rows of g consecutive elements, packed
// along those rows.
//
//   W_q    U8   [r / p, g]  p = 8 / b: byte i holds rows i, i + r/p, ..., the first in the top bits
//          I32  [r / 10, g] for 3 bits: ten rows a word, the first at bits 27 to 29; r is rounded
//          up
//   scale  F16 | BF16 | F32  [r, 1]
//   zero   as scale          [r, 1]
//   shape  I64  [2]         out, in; r = out x in / g
//
// W = (code - zero) x scale with a zero that is no integer: a minimum of -zero x scale, which F32
// holds exactly for scales of 16 bits. Without groups g is the whole row.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/checked.h"
#include "codec/codec.h"
#include "codec/parts.h"
#include "kernel/fields.h"

namespace requant {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;
constexpr int kInWord = 10;  // 3-bit codes of a word

bool holds(const Scheme& s) {
  const bool bits = s.bits == 1 || s.bits == 2 || s.bits == 3 || s.bits == 4 || s.bits == 8;
  return s.element == Element::kInt && bits && s.grid.flat && s.grid.block_cols > 0 &&
         is_half_or_single(s.scale_dtype) && s.offset == Offset::kMinimum && !s.outer &&
         !s.permuted && !s.input_multiplier && s.rotation.empty() &&
         s.activations.kind == ActivationKind::kNone;
}

// Rows of groups, and how they are packed.
struct Sizes {
  int bits = 0;
  std::int64_t packed = 0;  // rows of W_q
  std::int64_t rows = 0;
  std::int64_t group = 0;
};

std::optional<Sizes> sizes_of(const WeightParts& parts) {
  const Tensor* codes = find_part(parts, "W_q");
  const Tensor* scale = find_part(parts, "scale");
  const Tensor* zero = find_part(parts, "zero");
  if (codes == nullptr || scale == nullptr || zero == nullptr || codes->shape.size() != 2 ||
      scale->shape.size() != 2 || scale->shape[1] != 1 || zero->shape != scale->shape ||
      zero->dtype != scale->dtype || !is_half_or_single(scale->dtype)) {
    return std::nullopt;
  }
  Sizes size = {.packed = codes->shape[0], .rows = scale->shape[0], .group = codes->shape[1]};
  if (size.packed < 1 || size.packed > kMaxExtent || size.rows < 1 || size.rows > kMaxExtent ||
      size.group < 1 || size.group > kMaxExtent) {
    return std::nullopt;
  }
  if (codes->dtype == DType::kI32) {
    size.bits = 3;
    return size.packed == ceil_div(size.rows, kInWord) ? std::optional(size) : std::nullopt;
  }
  if (codes->dtype != DType::kU8) return std::nullopt;
  for (const int bits : {8, 4, 2, 1}) {
    size.bits = bits;
    if (size.rows == size.packed * (8 / bits)) return size;
  }
  return std::nullopt;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme&) {
  const auto size = sizes_of(parts);
  if (!size) return std::nullopt;
  Scheme scheme;
  scheme.bits = size->bits;
  scheme.grid = {.block_cols = size->group, .flat = true};
  scheme.scale_dtype = find_part(parts, "scale")->dtype;
  scheme.offset = Offset::kMinimum;
  return scheme;
}

// One number, stored as a tensor.
Result<void> check_number(const WeightParts& parts, std::string_view name, std::int64_t expected) {
  if (find_part(parts, name) == nullptr) return {};
  RQ_TRY(const Tensor tensor, require_part(parts, name));
  if (tensor.elements() != 1 || (tensor.dtype != DType::kI32 && tensor.dtype != DType::kU8)) {
    return unexpected(name, tensor, "one integer");
  }
  const double value = element_as_double(tensor, 0);
  if (value == static_cast<double>(expected)) return {};
  return corrupt(fmt::format("'{}' is {}, expected {}", name, value, expected));
}

// Sets rows and cols of the weight.
Result<void> read_shape(const WeightParts& parts, const Sizes& size, QuantizedWeight& out) {
  RQ_TRY(const Tensor shape, require_part(parts, "shape", DType::kI64, {2}));
  out.rows = shape.as<std::int64_t>()[0];
  out.cols = shape.as<std::int64_t>()[1];
  const auto elements = Checked::from_signed(out.rows) * Checked::from_signed(out.cols);
  const auto groups = Checked::from_signed(size.rows) * Checked::from_signed(size.group);
  if (elements.value() && elements.value() == groups.value()) return {};
  return corrupt(fmt::format("'shape' is [{}, {}], 'W_q' and 'scale' hold {} groups of {}",
                             out.rows, out.cols, size.rows, size.group));
}

// The codes at one place of all units come after those at the place before.
Result<Tensor> unpack(const Tensor& packed, const Sizes& size, const Shape& shape) {
  const int in_unit = size.bits == 3 ? kInWord : 8 / size.bits;
  const std::int64_t units = size.packed * size.group;
  RQ_TRY(TensorBuilder all, TensorBuilder::make(DType::kU8, {in_unit, units}));
  kernel::split_fields({.units = packed.as<std::uint8_t>().data(),
                        .unit_bytes = size.bits == 3 ? 4 : 1,
                        .count = units,
                        .codes = all.as<std::uint8_t>().data(),
                        .stride = units,
                        .fields = in_unit,
                        .first_shift = size.bits * (in_unit - 1),
                        .shift_step = -size.bits,
                        .bits = size.bits});
  const Tensor codes = std::move(all).finish();
  const auto count = static_cast<std::size_t>(size.rows * size.group);
  return Tensor::make(DType::kU8, shape, codes.bytes.slice(0, count));
}

// -zero x scale, F32 [1, groups]. kRefused where F32 does not hold it.
Result<Tensor> minima_of(const Tensor& scale, const Tensor& zero) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, {1, scale.shape[0]}));
  auto* to = out.as<float>().data();
  for (std::int64_t i = 0; i < scale.shape[0]; ++i) {
    const double s = element_as_double(scale, i);
    const double z = element_as_double(zero, i);
    const double product = -s * z;  // 48 bits at most: exact
    to[i] = static_cast<float>(product);
    if (std::isfinite(product) && static_cast<double>(to[i]) == product) continue;
    return refused(fmt::format(
        "'zero' x 'scale' of group {} is {}, which F32 does not hold exactly", i, product));
  }
  return std::move(out).finish();
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  const auto size = sizes_of(parts);
  if (!size || scheme_of(parts, scheme) != scheme) {
    return corrupt("'W_q', 'scale' and 'zero' are not those of " + describe(scheme));
  }
  RQ_CHECK(check_number(parts, "axis", 1));
  RQ_CHECK(check_number(parts, "nbits", size->bits));
  RQ_TRY(const Tensor packed, require_part(parts, "W_q"));
  RQ_TRY(const Tensor scale, require_part(parts, "scale"));
  RQ_TRY(const Tensor zero, require_part(parts, "zero"));
  QuantizedWeight out;
  out.scheme = scheme;
  RQ_CHECK(read_shape(parts, *size, out));
  RQ_TRY(out.codes, unpack(packed, *size, {out.rows, out.cols}));
  out.scales = relabel(scale, scale.dtype, {1, size->rows});
  RQ_TRY(out.minima, minima_of(scale, zero));
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace

extern const Codec k_codec_hqq;
const Codec k_codec_hqq = {
    .name = "hqq",
    .long_name = "HQQ, groups along the inputs",
    .source = "mobiusml/hqq hqq/core/quantize.py, hqq/core/bitpack.py@0.2.8.post1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
