#include "codec/gptq_testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("gptq-v2-in-order"); }

TEST(GptqV2InOrder, RoundTrips) {
  for (const int bits : {2, 3, 4, 8}) {
    const Scheme scheme = {
        .bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = Offset::kZero};
    testing_support::expect_round_trip(codec(), scheme, 32, 64);
    testing_support::expect_refusal_when_cut(codec(), scheme, 32, 64);
  }
}

// The bytes that AutoGPTQ wrote, less the tensor that this layout leaves out.
TEST(GptqV2InOrder, ReadsAndWritesAutoGptqsTensorsButGIdx) {
  for (const char* name : {"int4_sym", "int4_asym", "int2_asym"}) {
    testing_support::expect_gptq_vector(codec(), name, true, false);
  }
}

TEST(GptqV2InOrder, LeavesFilesWithGIdxToOthers) {
  const Json file = testing_support::vectors("gptq");
  const WeightParts parts = testing_support::gptq_parts(*file.find("int4_sym"), true);
  EXPECT_FALSE(codec().scheme_of(parts, {.grid = Grid::group(32)}));
}

TEST(GptqV2InOrder, RefusesInputsInAnotherOrder) {
  const Scheme scheme = {
      .bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF16, .permuted = true};
  EXPECT_FALSE(codec().holds(scheme));
  EXPECT_FALSE(codec().layout(scheme, 32, 64));
}

}  // namespace
}  // namespace requant
