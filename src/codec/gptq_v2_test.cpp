#include "codec/gptq_testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("gptq-v2"); }

TEST(GptqV2, RoundTrips) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const Offset offset : {Offset::kNone, Offset::kZero}) {
      const Scheme scheme = {.bits = bits,
                             .grid = Grid::group(32),
                             .scale_dtype = DType::kF16,
                             .offset = offset,
                             .permuted = offset == Offset::kZero};
      testing_support::expect_round_trip(codec(), scheme, 32, 64);
      testing_support::expect_refusal_when_cut(codec(), scheme, 32, 64);
    }
  }
}

TEST(GptqV2, ReadsTheSameWeightsAsV1) {
  for (const char* name : {"int4_sym", "int4_asym", "int4_sym_desc_act", "int8_sym", "int2_asym",
                           "int3_asym", "int3_sym_desc_act"}) {
    testing_support::expect_gptq_vector(codec(), name, true);
  }
}

TEST(GptqV2, HoldsAZeroPointOf0) {
  EXPECT_EQ(testing_support::gptq_zeros_of(codec(), testing_support::gptq_zero_word(0x2703f810)),
            (std::vector<int>{0, 1, 8, 15, 3, 0, 7, 2}));
}

TEST(GptqV2, RefusesSizesThatDoNotFillWords) {
  EXPECT_FALSE(
      codec().layout({.bits = 4, .grid = Grid::channel(), .scale_dtype = DType::kF16}, 12, 32));
  EXPECT_FALSE(
      codec().layout({.bits = 3, .grid = Grid::channel(), .scale_dtype = DType::kF16}, 32, 48));
}

}  // namespace
}  // namespace requant
