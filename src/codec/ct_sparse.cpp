#include "codec/ct_sparse.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/text.h"
#include "codec/parts.h"

namespace requant {
namespace {

const Codec& codec_of(const Scheme& scheme) {
  return *find_codec(scheme.is_dense() ? "dense" : "ct-quantized");
}

bool bit_at(std::span<const std::uint8_t> mask, std::size_t index) {
  return ((mask[index / 8] >> (index % 8)) & 1) != 0;
}

}  // namespace

std::optional<Scheme> scheme_of_expanded(const WeightParts& parts, DType dtype, Shape shape,
                                         const Scheme& declared) {
  WeightParts plain = parts;
  plain["weight"] = Tensor{dtype, std::move(shape), {}};
  if (plain.contains("weight_scale")) return find_codec("ct-quantized")->scheme_of(plain, declared);
  return find_codec("dense")->scheme_of(plain, Scheme::dense(dtype));
}

Result<Tensor> expand_bitmask(const Tensor& values, const Tensor& mask, std::int64_t rows,
                              std::int64_t cols) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(values.dtype, {rows, cols}));
  const auto size = static_cast<std::size_t>(info(values.dtype).bits) / 8;
  const auto width = static_cast<std::size_t>(mask.shape[1]);
  const auto count = static_cast<std::size_t>(cols);
  std::memset(out.bytes().data(), 0, out.bytes().size());
  std::byte* to = out.bytes().data();
  std::size_t next = 0;
  const std::size_t kept = values.bytes.size() / size;
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
    const auto bits = mask.as<std::uint8_t>().subspan(row * width, width);
    for (std::size_t col = 0; col < 8 * width; ++col) {
      if (!bit_at(bits, col)) continue;
      if (col >= count || next == kept) {
        return corrupt(
            fmt::format("'bitmask' keeps more than {} values of {} x {}", kept, rows, cols));
      }
      std::memcpy(to + (row * count + col) * size, values.bytes.data() + next++ * size, size);
    }
  }
  if (next != kept) {
    return corrupt(fmt::format("'bitmask' keeps {} values, and there are {}", next, kept));
  }
  return std::move(out).finish();
}

Result<QuantizedWeight> decode_expanded(const WeightParts& parts, Tensor weight,
                                        const Scheme& scheme) {
  WeightParts plain = parts;
  plain["weight"] = std::move(weight);
  return codec_of(scheme).decode(plain, scheme);
}

Result<Shape> expanded_shape(const WeightParts& parts, std::string_view name) {
  RQ_TRY(const Tensor shape, require_part(parts, name));
  if (shape.dtype != DType::kI64 || (shape.shape != Shape{2} && shape.shape != Shape{2, 1})) {
    return unexpected(name, shape, "I64 [2]");
  }
  const auto sizes = shape.as<std::int64_t>();
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (sizes[0] < 1 || sizes[1] < 1 || sizes[0] > kMost || sizes[1] > kMost) {
    return corrupt(fmt::format("{} says {} x {}", in_quotes(name), sizes[0], sizes[1]));
  }
  return Shape{sizes[0], sizes[1]};
}

}  // namespace requant
