#include "quant/plain_rows.h"

#include <gtest/gtest.h>

#include <vector>

#include "quant/row_reader.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::random_weight;
using testing_support::tensor_of;

Scheme grouped(int bits, std::int64_t group, DType scales, Offset offset) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.grid = Grid::group(group);
  scheme.scale_dtype = scales;
  scheme.offset = offset;
  return scheme;
}

Scheme under_f16(Scheme scheme) {
  scheme.outer = OuterScale{.dtype = DType::kF16, .grid = Grid::group(64)};
  return scheme;
}

// Dense, Q4_0, Q4_1, Q6_K and Q4_K in small.
std::vector<Scheme> schemes() {
  return {Scheme::dense(DType::kF32),
          Scheme::dense(DType::kBF16),
          Scheme::dense(DType::kF16),
          grouped(4, 32, DType::kF16, Offset::kNone),
          grouped(4, 32, DType::kF16, Offset::kMinimum),
          under_f16(grouped(6, 16, DType::kI8, Offset::kNone)),
          under_f16(grouped(4, 32, DType::kU8, Offset::kMinimum))};
}

QuantizedWeight weight_of(const Scheme& scheme) {
  QuantizedWeight weight = random_weight(scheme, 3, 128);
  const auto halves = [](std::int64_t cols) {
    std::vector<std::uint16_t> bits;
    for (std::int64_t i = 0; i < 3 * cols; ++i) {
      bits.push_back(static_cast<std::uint16_t>(0x1000 + 517 * i % 0x2000));
    }
    return tensor_of(DType::kF16, {3, cols}, bits);
  };
  if (scheme.offset == Offset::kMinimum && !scheme.outer) weight.minima = halves(4);
  if (scheme.offset == Offset::kMinimum && scheme.outer) {
    weight.minima = testing_support::i8({3, 4}, {-1, -2, -63, 0, -5, -6, -7, -8, 0, 0, -1, -40});
    weight.outer_minima = halves(2);
  }
  return weight;
}

TEST(PlainRows, AreWhatTheReferenceReads) {
  for (const Scheme& scheme : schemes()) {
    SCOPED_TRACE(describe(scheme));
    const QuantizedWeight weight = weight_of(scheme);
    ASSERT_TRUE(validate(weight)) << validate(weight).error().message();
    ASSERT_TRUE(PlainRows::can_read(weight));
    const PlainRows rows(weight);
    RowReader reference(weight);
    std::vector<double> values(128);
    for (std::int64_t row = 0; row < 3; ++row) {
      rows.read(row, values);
      const auto expected = reference.read(row);
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_TRUE(same_number({.high = values[i]}, expected[i])) << row << ", " << i;
      }
    }
  }
}

TEST(PlainRows, LeaveTheOthersToIt) {
  const auto is_plain = [](const QuantizedWeight& weight) { return PlainRows::can_read(weight); };
  EXPECT_FALSE(is_plain(random_weight(grouped(4, 32, DType::kF32, Offset::kNone), 3, 128)));
  EXPECT_FALSE(is_plain(random_weight(grouped(4, 32, DType::kF16, Offset::kZero), 3, 128)));
  EXPECT_FALSE(is_plain(random_weight(grouped(8, 0, DType::kF16, Offset::kNone), 3, 128)));
  QuantizedWeight infinite = weight_of(grouped(4, 32, DType::kF16, Offset::kNone));
  infinite.scales = tensor_of(DType::kF16, {3, 4}, std::vector<std::uint16_t>(12, 0x7C00));
  EXPECT_FALSE(is_plain(infinite));
}

}  // namespace
}  // namespace requant
