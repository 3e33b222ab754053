// Sums up scales by their bits alone: IEEE magnitudes order as integers do.

#include <algorithm>
#include <bit>
#include <optional>
#include <vector>

#include "rule/scale_table.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;

// The bits of one number: sign in the highest, then `exponent` bits, then the mantissa.
struct BitLayout {
  std::uint32_t magnitude;   // mask of everything but the sign
  std::uint32_t mantissa;    // mask
  std::uint32_t not_finite;  // magnitudes from here on are infinite or no number
  std::uint32_t normal;      // magnitudes below, but for 0, are subnormal
  double (*value)(std::uint32_t bits);
};

std::optional<BitLayout> layout_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return BitLayout{0x7FFFFFFF, 0x7FFFFF, 0x7F800000, 0x800000,
                       [](std::uint32_t b) { return double{std::bit_cast<float>(b)}; }};
    case DType::kBF16:
      return BitLayout{0x7FFF, 0x7F, 0x7F80, 0x80, [](std::uint32_t b) {
                         return double{bf16_to_f32(static_cast<std::uint16_t>(b))};
                       }};
    case DType::kF16:
      return BitLayout{0x7FFF, 0x3FF, 0x7C00, 0x400, [](std::uint32_t b) {
                         return double{f16_to_f32(static_cast<std::uint16_t>(b))};
                       }};
    case DType::kF8E4M3:
      return BitLayout{0x7F, 0x7, 0x7F, 0x8, [](std::uint32_t b) {
                         return double{e4m3fn_to_f32(static_cast<std::uint8_t>(b))};
                       }};
    case DType::kF8E5M2:
      return BitLayout{0x7F, 0x3, 0x7C, 0x4, [](std::uint32_t b) {
                         return double{e5m2_to_f32(static_cast<std::uint8_t>(b))};
                       }};
    default:
      return std::nullopt;
  }
}

// One pass over the numbers of a tensor, a chunk at a time.
template <class T>
class Sum {
 public:
  Sum(const BitLayout& layout, ScaleFacts& facts) : layout_(layout), facts_(facts) {}

  void add(std::span<const std::byte> bytes) {
    const std::span<const T> numbers(static_cast<const T*>(static_cast<const void*>(bytes.data())),
                                     bytes.size() / sizeof(T));
    if (facts_.count == 0 && !numbers.empty()) facts_.first = layout_.value(numbers.front());
    facts_.count += numbers.size();
    for (const std::uint32_t bits : numbers) {
      const std::uint32_t magnitude = bits & layout_.magnitude;
      const bool finite = magnitude < layout_.not_finite;
      const bool counts = finite && magnitude != 0;
      zero_ += magnitude == 0;
      not_finite_ += !finite;
      negative_ += counts && bits != magnitude;
      subnormal_ += counts && magnitude < layout_.normal;
      mixed_ += (magnitude & layout_.mantissa) != 0;
      smallest_ = std::min(smallest_, counts ? magnitude : layout_.not_finite);
      largest_ = std::max(largest_, counts ? magnitude : 0);
    }
  }

  void finish() {
    facts_.zero = zero_;
    facts_.not_finite = not_finite_;
    facts_.negative = negative_;
    facts_.subnormal = subnormal_;
    facts_.not_power_of_two = mixed_;
    if (largest_ == 0) return;
    facts_.smallest = layout_.value(smallest_);
    facts_.largest = layout_.value(largest_);
  }

 private:
  BitLayout layout_;
  ScaleFacts& facts_;
  std::uint64_t zero_ = 0;
  std::uint64_t not_finite_ = 0;
  std::uint64_t negative_ = 0;
  std::uint64_t subnormal_ = 0;
  std::uint64_t mixed_ = 0;
  std::uint32_t smallest_ = UINT32_MAX;
  std::uint32_t largest_ = 0;
};

template <class Piece>
Result<void> each_chunk(const Source& source, const TensorInfo& tensor, const Piece& piece) {
  if (!tensor.strides().empty()) {  // of PyTorch files: rare, and read whole
    RQ_TRY(const Tensor whole, source.read(tensor));
    piece(whole.bytes.span());
    return {};
  }
  RQ_TRY(Buffer buffer, Buffer::allocate(std::min(tensor.bytes, kChunk)));
  for (std::uint64_t at = 0; at < tensor.bytes; at += kChunk) {
    const auto chunk = buffer.span().first(std::min(kChunk, tensor.bytes - at));
    RQ_CHECK(source.read_bytes(tensor, at, chunk));
    piece(chunk);
  }
  return {};
}

template <class T>
Result<void> sum_floats(const Source& source, const BitLayout& layout, ScaleFacts& facts) {
  Sum<T> sum(layout, facts);
  RQ_CHECK(each_chunk(source, *facts.tensor, [&](auto chunk) { sum.add(chunk); }));
  sum.finish();
  return {};
}

// E8M0, as such or in bytes: a power of two each, and 0xFF is no number.
Result<void> sum_exponents(const Source& source, ScaleFacts& facts) {
  std::uint8_t smallest = 0xFF;
  std::uint8_t largest = 0;
  RQ_CHECK(each_chunk(source, *facts.tensor, [&](std::span<const std::byte> chunk) {
    if (facts.count == 0) facts.first = e8m0_to_f32(static_cast<std::uint8_t>(chunk.front()));
    facts.count += chunk.size();
    for (const std::byte byte : chunk) {
      const auto bits = static_cast<std::uint8_t>(byte);
      facts.not_finite += bits == 0xFF;
      smallest = std::min(smallest, bits);
      largest = std::max(largest, bits == 0xFF ? std::uint8_t{0} : bits);
    }
  }));
  facts.smallest = e8m0_to_f32(std::min<std::uint8_t>(smallest, 0xFE));
  facts.largest = e8m0_to_f32(largest);
  return {};
}

}  // namespace

Result<void> sum_up(const Source& source, ScaleFacts& facts) {
  const TensorInfo& tensor = *facts.tensor;
  const bool by_scheme = facts.weight != nullptr &&
                         facts.weight->scheme.scale_dtype == DType::kF8E8M0 &&
                         facts.name->use == ScaleUse::kWeight;
  if (tensor.dtype == DType::kF8E8M0 || (tensor.dtype == DType::kU8 && by_scheme)) {
    return tensor.bytes == 0 ? Result<void>() : sum_exponents(source, facts);
  }
  const auto layout = layout_of(tensor.dtype);
  if (!layout) return {};
  if (tensor.dtype == DType::kF32) return sum_floats<std::uint32_t>(source, *layout, facts);
  if (info(tensor.dtype).bits == 16) return sum_floats<std::uint16_t>(source, *layout, facts);
  return sum_floats<std::uint8_t>(source, *layout, facts);
}

}  // namespace requant
