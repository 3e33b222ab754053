#include "codec/packed_codes.h"

#include <span>

namespace requant {
namespace {

// Codes for one, two or three bytes: the smallest number of each that fit without a gap.
struct Unit {
  std::size_t codes;
  std::size_t bytes;
};

Unit unit_of(int bits) { return bits == 4 ? Unit{2, 1} : Unit{4, 3}; }

}  // namespace

Result<Tensor> unpack_codes(const Tensor& packed, std::int64_t rows, std::int64_t cols, int bits) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {rows, cols}));
  const Unit unit = unit_of(bits);
  const std::uint32_t mask = (1U << bits) - 1;
  const auto from = packed.as<std::uint8_t>();
  const auto to = out.as<std::uint8_t>();
  std::size_t code = 0;
  for (std::size_t at = 0; at + unit.bytes <= from.size() && code < to.size(); at += unit.bytes) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < unit.bytes; ++i) word |= std::uint32_t{from[at + i]} << (8 * i);
    for (std::size_t i = 0; i < unit.codes; ++i, word >>= bits) {
      to[code++] = static_cast<std::uint8_t>(word & mask);
    }
  }
  return std::move(out).finish();
}

Result<Tensor> pack_codes(const Tensor& codes, int bits) {
  const Unit unit = unit_of(bits);
  RQ_TRY(TensorBuilder out,
         TensorBuilder::make(DType::kU8, {codes.shape[0], codes.shape[1] * bits / 8}));
  const std::uint32_t mask = (1U << bits) - 1;
  const auto from = codes.as<std::uint8_t>();
  const auto to = out.as<std::uint8_t>();
  std::size_t code = 0;
  for (std::size_t at = 0; at + unit.bytes <= to.size(); at += unit.bytes) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < unit.codes; ++i) {
      word |= (std::uint32_t{from[code++]} & mask) << (static_cast<std::size_t>(bits) * i);
    }
    for (std::size_t i = 0; i < unit.bytes; ++i) {
      to[at + i] = static_cast<std::uint8_t>(word >> (8 * i));
    }
  }
  return std::move(out).finish();
}

}  // namespace requant
