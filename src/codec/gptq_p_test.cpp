#include "codec/gptq_testing.h"
#include "codec/gptq_word_packing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("gptq-p"); }

TEST(GptqP, RoundTrips) {
  for (int bits = 2; bits <= 8; ++bits) {
    for (const Offset offset : {Offset::kNone, Offset::kZero}) {
      const Scheme scheme = {
          .bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = offset};
      testing_support::expect_round_trip(codec(), scheme, 64, 96);
      testing_support::expect_refusal_when_cut(codec(), scheme, 32, 32);
    }
  }
}

TEST(GptqP, PacksPlanesAsGptqModelDoes) {
  const Json file = testing_support::vectors("gptq");
  for (const int bits : {3, 5, 6, 7}) {
    const Json& entry = *file.find("planar_rows_" + std::to_string(bits) + "bit");
    std::vector<std::uint8_t> codes;
    for (const Json& code : entry.find("codes")->items()) {
      codes.push_back(static_cast<std::uint8_t>(*code.as_int()));
    }
    std::vector<std::uint32_t> expected;
    for (const Json& word : entry.find("words")->items()) {
      expected.push_back(
          static_cast<std::uint32_t>(std::stoul(std::string(*word.as_string()), nullptr, 16)));
    }
    std::vector<std::uint32_t> words(expected.size());
    gptq_pack(GptqPacking::kPlanes, bits, codes, words);
    EXPECT_EQ(words, expected) << bits;
    std::vector<std::uint8_t> again(codes.size());
    gptq_unpack(GptqPacking::kPlanes, bits, words, again);
    EXPECT_EQ(again, codes) << bits;
  }
}

TEST(GptqP, IsTheStreamForBitsThatDivideAWord) {
  for (const int bits : {2, 4, 8}) {
    const Scheme scheme = {
        .bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = Offset::kZero};
    const auto weight = testing_support::random_weight(scheme, 32, 64);
    const auto planes = codec().encode(weight);
    const auto stream = find_codec("gptq-v2")->encode(weight);
    ASSERT_TRUE(planes && stream);
    for (const auto& [name, tensor] : *stream) EXPECT_TRUE(same_bits(planes->at(name), tensor));
  }
}

}  // namespace
}  // namespace requant
