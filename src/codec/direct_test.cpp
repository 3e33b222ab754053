// Each direct path against the way through the neutral form.
#include "codec/direct.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::random_weight;

struct Size {
  std::int64_t rows;
  std::int64_t cols;
};

// Whole cache lines and tiles, and less.
constexpr Size kSizes[] = {{32, 64},  {64, 128},  {128, 256}, {96, 160},  {544, 288},
                           {520, 96}, {1032, 64}, {32, 1056}, {160, 2080}};

std::vector<Scheme> integer_schemes() {
  std::vector<Scheme> schemes;
  for (const int bits : {2, 3, 4, 8}) {
    for (const Grid& grid : {Grid::group(32), Grid::channel()}) {
      for (const Offset offset : {Offset::kNone, Offset::kZero}) {
        for (const DType dtype : {DType::kF16, DType::kBF16}) {
          schemes.push_back({.bits = bits, .grid = grid, .scale_dtype = dtype, .offset = offset});
        }
      }
    }
  }
  return schemes;
}

void expect_same(const WeightParts& direct, const WeightParts& neutral, const std::string& what) {
  ASSERT_EQ(direct.size(), neutral.size()) << what;
  for (const auto& [name, tensor] : neutral) {
    ASSERT_TRUE(direct.contains(name)) << what << ", " << name;
    EXPECT_TRUE(same_bits(direct.at(name), tensor)) << what << ", " << name;
  }
}

// False where the way has nothing for such a weight.
bool holds_both_ways(const DirectPath& path, const Scheme& scheme, Size size) {
  const Codec& from = *find_codec(path.from);
  const Codec& to = *find_codec(path.to);
  if (!from.holds(scheme) || !to.holds(scheme)) return false;
  return from.layout(scheme, size.rows, size.cols) && to.layout(scheme, size.rows, size.cols);
}

// GPTQ v1 cannot hold a zero point of 0.
QuantizedWeight without_zero_points_of_0(QuantizedWeight weight) {
  if (weight.scheme.offset != Offset::kZero) return weight;
  TensorBuilder zeros = *TensorBuilder::make(DType::kI16, weight.zeros.shape);
  const std::int16_t lowest = static_cast<std::int16_t>(-(1 << (weight.scheme.bits - 1)));
  std::ranges::transform(weight.zeros.as<std::int16_t>(), zeros.as<std::int16_t>().begin(),
                         [&](std::int16_t zero) { return std::max<int>(zero, lowest + 1); });
  weight.zeros = std::move(zeros).finish();
  return weight;
}

TEST(Direct, GivesWhatTheNeutralFormGives) {
  for (const DirectPath& path : direct_paths()) {
    int held = 0;
    for (const Scheme& scheme : integer_schemes()) {
      for (const Size size : kSizes) {
        if (!holds_both_ways(path, scheme, size)) continue;
        const auto weight = without_zero_points_of_0(random_weight(scheme, size.rows, size.cols));
        const auto parts = find_codec(path.from)->encode(weight);
        ASSERT_TRUE(parts) << parts.error().message();
        const auto neutral = find_codec(path.to)->encode(weight);
        ASSERT_TRUE(neutral) << neutral.error().message();
        const std::string what = std::string(path.from) + " to " + std::string(path.to) + ", " +
                                 describe(scheme) + ", " + std::to_string(size.rows) + " x " +
                                 std::to_string(size.cols);
        const auto direct = repack_checked(path, {*parts, scheme, size.rows, size.cols});
        ASSERT_TRUE(direct) << what << direct.error().message();
        ASSERT_TRUE(*direct) << what;
        expect_same(**direct, *neutral, what);
        ++held;
      }
    }
    EXPECT_GT(held, 0) << path.from << " to " << path.to;
  }
}

TEST(Direct, HasAWayBackForEachWay) {
  for (const DirectPath& path : direct_paths()) {
    EXPECT_NE(find_direct_path(path.to, path.from), nullptr) << path.from << " to " << path.to;
    EXPECT_NE(find_codec(path.from), nullptr);
  }
  EXPECT_EQ(find_direct_path("awq-gemm", "dense"), nullptr);
}

// What decode() refuses, and what only decode() understands, is left to it.
TEST(Direct, LeavesWhatIsOddToTheNeutralForm) {
  const Scheme symmetric = {.bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF16};
  const QuantizedWeight weight = random_weight(symmetric, 32, 64);
  const auto odd = [](WeightParts parts, const char* name, std::size_t at) {
    Buffer bytes = *Buffer::allocate(parts.at(name).bytes.size());
    std::ranges::copy(parts.at(name).bytes.span(), bytes.span().begin());
    bytes.span()[at] ^= std::byte{1};
    parts[name].bytes = std::move(bytes).freeze();
    return parts;
  };
  const struct {
    const char* from;
    const char* to;
    const char* part;
  } kOdd[] = {{"awq-gemm", "ct-pack", "qzeros"},
              {"gptq", "ct-pack", "qzeros"},
              {"gptq-v2", "ct-pack", "g_idx"},
              {"ct-pack", "awq-gemm", "weight_shape"},
              {"ct-pack", "gptq", "weight_shape"}};
  for (const auto& [from, to, part] : kOdd) {
    const WeightParts parts = *find_codec(from)->encode(weight);
    const DirectPath& path = *find_direct_path(from, to);
    EXPECT_TRUE(*path.repack({parts, symmetric, 32, 64})) << from << " to " << to;
    EXPECT_FALSE(*path.repack({odd(parts, part, 0), symmetric, 32, 64})) << from << " to " << to;
    WeightParts fewer = parts;
    fewer.erase(part);
    EXPECT_FALSE(*path.repack({fewer, symmetric, 32, 64})) << from << " to " << to;
  }
}

// What is expected is given back where it is what comes out, and never else.
TEST(Direct, GivesTheExpectedTensorOnlyWhereItIsTheSame) {
  const Scheme scheme = {.bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF16};
  const QuantizedWeight weight = random_weight(scheme, 96, 160);
  for (const DirectPath& path : direct_paths()) {
    const WeightParts parts = *find_codec(path.from)->encode(weight);
    const WeightParts right = *find_codec(path.to)->encode(weight);
    const WeightParts wrong = *find_codec(path.to)->encode(random_weight(scheme, 96, 160, 2));
    const std::string codes = right.contains("qweight") ? "qweight" : "weight_packed";
    const auto found = path.repack({parts, scheme, 96, 160, &right});
    const auto written = path.repack({parts, scheme, 96, 160, &wrong});
    ASSERT_TRUE(found && *found && written && *written) << path.from << " to " << path.to;
    EXPECT_TRUE((*found)->at(codes).bytes.same_memory(right.at(codes).bytes));
    expect_same(**written, right, std::string(path.from) + " to " + std::string(path.to));
  }
}

// One row at a time gives the same bytes as all of them.
TEST(Direct, SharesTheRowsOfBothCodecs) {
  for (const SameRows& pair : same_rows()) {
    const Codec& from = *find_codec(pair.from);
    const Codec& to = *find_codec(pair.to);
    const auto holder = [](const Codec& codec, Scheme scheme) -> std::optional<Scheme> {
      for (const Orientation orientation : {Orientation::kDivisor, Orientation::kMultiplier}) {
        if (scheme.outer) scheme.outer->orientation = orientation;
        if (codec.holds(scheme)) return scheme;
      }
      return std::nullopt;
    };
    Scheme scheme = {.element = Element::kE2M1,
                     .bits = 4,
                     .grid = Grid::group(16),
                     .scale_dtype = DType::kF8E4M3,
                     .outer = OuterScale{}};
    if (!holder(from, scheme)) {
      const bool narrow = pair.from_codes != pair.to_codes;
      scheme = {.element = narrow ? Element::kE2M1 : Element::kE4M3Fn,
                .bits = narrow ? 4 : 8,
                .grid = Grid::group(32),
                .scale_dtype = DType::kF8E8M0};
    }
    ASSERT_TRUE(holder(from, scheme) && holder(to, scheme)) << pair.from << " to " << pair.to;
    QuantizedWeight weight = random_weight(*holder(from, scheme), 6, 96);
    const auto parts = from.encode(weight);
    ASSERT_TRUE(parts) << parts.error().message();
    weight.scheme = *holder(to, scheme);
    const auto neutral = to.encode(weight);
    ASSERT_TRUE(neutral) << neutral.error().message();
    const auto same_bytes = [](const Tensor& a, const Tensor& b) {
      return std::ranges::equal(a.bytes.span(), b.bytes.span());
    };
    EXPECT_TRUE(same_bytes(parts->at(std::string(pair.from_codes)),
                           neutral->at(std::string(pair.to_codes))));
    EXPECT_TRUE(same_bytes(parts->at(std::string(pair.from_scales)),
                           neutral->at(std::string(pair.to_scales))));
  }
}

}  // namespace
}  // namespace requant
