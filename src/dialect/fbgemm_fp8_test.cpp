#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

const Dialect& dialect() { return *find_dialect("fbgemm_fp8"); }

constexpr std::string_view kConfig =
    R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":
        {"quant_method":"fbgemm_fp8","activation_scale_ub":900.0,"modules_to_not_convert":[]}})";

std::vector<FakeCheckpoint::Entry> tensors() {
  return {{"a.weight", DType::kF8E4M3, {8, 4}}, {"a.weight_scale", DType::kF32, {8, 1}}};
}

TEST(FbgemmFp8Dialect, NeedsTheConfigsWord) {
  const FakeCheckpoint silent("{}", tensors());
  EXPECT_EQ(dialect().recognize(silent.facts()).match, Match::kNo);
  const FakeCheckpoint named(kConfig, tensors());
  EXPECT_EQ(dialect().recognize(named.facts()).match, Match::kYes);
}

TEST(FbgemmFp8Dialect, ResolvesRowsAndWritesThemAgain) {
  const FakeCheckpoint fake(kConfig, tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  const Scheme& scheme = resolution->weights[0].scheme;
  EXPECT_EQ(describe(scheme),
            "e4m3fn per channel, scale F32, activations e4m3fn dynamic per token");
  ASSERT_NE(dialect().codec_for(scheme), nullptr);
  TargetWeight weight;
  weight.module = "a";
  weight.scheme = scheme;
  const std::vector quantized = {weight};
  const auto block = dialect().quantization_config(
      {fake.facts().config, fake.facts().architecture, quantized, {}});
  ASSERT_TRUE(block);
  EXPECT_EQ(block->find("activation_scale_ub")->dump(), "900.0");
}

TEST(FbgemmFp8Dialect, NamesWhatIsMissing) {
  const FakeCheckpoint fake(kConfig, {{"a.weight", DType::kF8E4M3, {8, 4}}});
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("a.weight_scale"), std::string::npos);
  const FakeCheckpoint experts(kConfig, {{"a.gate_up_proj", DType::kF8E4M3, {2, 8, 4}}});
  EXPECT_EQ(dialect().resolve(experts.facts()).error().code(), ErrorCode::kRefused);
}

}  // namespace
}  // namespace requant
