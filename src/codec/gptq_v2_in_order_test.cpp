#include "codec/gptq_testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("gptq-v2-in-order"); }

TEST(GptqV2InOrder, RoundTrips) {
  testing_support::expect_gptq_round_trips(codec(), Offset::kZero);
}

// The bytes that AutoGPTQ wrote, less the tensor that this layout leaves out.
TEST(GptqV2InOrder, ReadsAndWritesAutoGptqsTensorsButGIdx) {
  for (const char* name : {"int4_sym", "int4_asym", "int2_asym"}) {
    testing_support::expect_gptq_vector(codec(), name, true, false);
  }
}

TEST(GptqV2InOrder, HasNoGIdx) { testing_support::expect_no_gptq_order(codec(), true); }

}  // namespace
}  // namespace requant
