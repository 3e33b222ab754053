#include "model/rope.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

Result<Rope> parse(std::string_view json, std::int64_t dim = 8, std::int64_t context = 8192) {
  return Rope::parse(*parse_json(json), dim, context);
}

TEST(Rope, TurnsPairsAcrossTheHalves) {
  const auto rope = parse(R"({"rope_theta": 10000.0})", 4);
  ASSERT_TRUE(rope);
  std::vector<float> head = {1, 2, 3, 4};
  rope->turn(head, 1);
  // cos 1 - 3 sin 1, 2 cos 0.01 - 4 sin 0.01, and so on.
  EXPECT_NEAR(head[0], -1.98411, 1e-5);
  EXPECT_NEAR(head[1], 1.95990, 1e-5);
  EXPECT_NEAR(head[2], 2.46238, 1e-5);
  EXPECT_NEAR(head[3], 4.01980, 1e-5);
}

TEST(Rope, SaysWhatIsNotSupported) {
  EXPECT_EQ(parse(R"({"rope_scaling": {"rope_type": "longrope"}})").error().message(),
            "rope type 'longrope' is not supported");
  EXPECT_FALSE(parse(R"({"partial_rotary_factor": 0.5})"));
  EXPECT_FALSE(parse("{}", 7));
}

// transformers 4.57.6, modeling_rope_utils.ROPE_INIT_FUNCTIONS.
struct Case {
  const char* json;
  float scale;
  std::vector<float> frequencies;
};

class RopeTypes : public testing::TestWithParam<Case> {};

TEST_P(RopeTypes, AreThoseOfTransformers) {
  const auto rope = parse(GetParam().json, 16);
  ASSERT_TRUE(rope) << rope.error().message();
  EXPECT_NEAR(rope->scale, GetParam().scale, 1e-6);
  ASSERT_EQ(rope->frequencies.size(), GetParam().frequencies.size());
  for (std::size_t i = 0; i < rope->frequencies.size(); ++i) {
    EXPECT_NEAR(rope->frequencies[i], GetParam().frequencies[i], 2e-6 * GetParam().frequencies[i])
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, RopeTypes,
    testing::Values(
        Case{R"({"rope_theta": 10000.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0}})",
             1.0F,
             {0.25F, 0.079056941F, 0.0250000004F, 0.00790569466F, 0.00249999994F, 0.000790569466F,
              0.000250000012F, 7.90569466e-05F}},
        Case{
            R"({"rope_theta": 10000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}})",
            1.0F,
            {1.0F, 0.316227764F, 0.100000001F, 0.0184966773F, 0.00124999997F, 0.000395284733F,
             0.000125000006F, 3.95284733e-05F}},
        Case{
            R"({"rope_theta": 10000.0, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2048}})",
            1.138629436111989F,
            {1.0F, 0.316227764F, 0.100000001F, 0.025693506F, 0.00624999963F, 0.00138349656F,
             0.000250000012F, 7.90569466e-05F}},
        Case{
            R"({"rope_theta": 10000.0, "rope_scaling": {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096, "mscale": 1.0, "mscale_all_dim": 0.5, "beta_fast": 16}})",
            1.1557219901962608F,
            {1.0F, 0.316227764F, 0.100000001F, 0.0316227786F, 0.00674999924F, 0.00110679714F,
             2.49999994e-05F, 7.90569447e-06F}}));

}  // namespace
}  // namespace requant
