#include "codec/gptq_testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("gptq-in-order"); }

TEST(GptqInOrder, RoundTrips) { testing_support::expect_gptq_round_trips(codec(), Offset::kNone); }

// The bytes that AutoGPTQ wrote, less the tensor that this layout leaves out.
TEST(GptqInOrder, ReadsAndWritesAutoGptqsTensorsButGIdx) {
  for (const char* name : {"int4_sym", "int8_sym"}) {
    testing_support::expect_gptq_vector(codec(), name, false, false);
  }
}

TEST(GptqInOrder, HasNoGIdx) { testing_support::expect_no_gptq_order(codec(), false); }

}  // namespace
}  // namespace requant
