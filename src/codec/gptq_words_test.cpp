
#include "codec/gptq_layout.h"
#include "codec/gptq_testing.h"

namespace requant {
namespace {

using testing_support::expect_gptq_vector;
using testing_support::gptq_zero_word;
using testing_support::gptq_zeros_of;

const Codec& codec() { return *find_codec("gptq-words"); }

TEST(GptqWords, RoundTripsWithZeroPointsOf0) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const Offset offset : {Offset::kNone, Offset::kZero}) {
      const Scheme scheme = {
          .bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = offset};
      testing_support::expect_round_trip(codec(), scheme, 64, 64);
      testing_support::expect_refusal_when_cut(codec(), scheme, 32, 32);
    }
  }
}

// Where no zero point is 0 and fields fit words, both kinds of v1 are the same.
TEST(GptqWords, ReadsWhatAutoGptqWrote) {
  for (const char* name : {"int4_sym", "int4_asym", "int4_sym_desc_act", "int8_sym", "int2_asym"}) {
    expect_gptq_vector(codec(), name, false);
  }
}

TEST(GptqWords, UndoesTheBorrowOfAZeroPointOf0) {
  const std::vector<int> zeros = {0, 1, 8, 15, 3, 0, 7, 2};
  const WeightParts parts = gptq_zero_word(0x2703f810U - 0x11111111U);
  EXPECT_EQ(gptq_zeros_of(codec(), parts), zeros);
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {.offset = Offset::kZero}));
  ASSERT_TRUE(weight);
  EXPECT_TRUE(same_bits(codec().encode(*weight)->at("qzeros"), parts.at("qzeros")));
}

// Symmetric 3-bit zero points of GPTQModel: 4 in every field, minus constants that take turns.
TEST(GptqWords, WritesThreeBitsAsGptqModelDoes) {
  const Scheme scheme = {.bits = 3, .grid = Grid::channel(), .scale_dtype = DType::kF16};
  const auto parts = codec().encode(testing_support::random_weight(scheme, 32, 32));
  ASSERT_TRUE(parts);
  const auto words = parts->at("qzeros").as<std::uint32_t>();
  EXPECT_EQ(words[0], 0U);
  EXPECT_EQ(words[1], 0x49249249U - 0x92492492U);
  EXPECT_EQ(words[2], 0x92492492U - 0x49249249U);
}

Tensor zeros_tensor(std::vector<std::uint32_t> words) {
  const auto count = static_cast<std::int64_t>(words.size());
  return testing_support::tensor_of<std::uint32_t>(DType::kI32, {1, count}, words);
}

TEST(GptqZeroEvidence, TellsTheVersionsOfSymmetricFilesApart) {
  EXPECT_TRUE(gptq_zero_evidence(zeros_tensor({0x77777777}), 4).symmetric_v1);
  EXPECT_FALSE(gptq_zero_evidence(zeros_tensor({0x77777777}), 4).symmetric_v2);
  EXPECT_TRUE(gptq_zero_evidence(zeros_tensor({0x80808080}), 8).symmetric_v2);
  EXPECT_TRUE(gptq_zero_evidence(zeros_tensor({0x55555555}), 2).symmetric_v1_words);
  EXPECT_TRUE(gptq_zero_evidence(zeros_tensor({0xffff7777}), 4).wraps);
  EXPECT_FALSE(gptq_zero_evidence({}, 4).symmetric_v1);
}

}  // namespace
}  // namespace requant
