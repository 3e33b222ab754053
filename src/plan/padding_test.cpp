#include "plan/padding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::corpus_named;
using testing_support::count_pairs;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

Json config_of(const fs::path& folder) {
  const auto opened = Checkpoint::open(folder);
  return opened ? opened->config() : Json();
}

std::int64_t size_in(const fs::path& folder, std::string_view key) {
  const Json config = config_of(folder);
  const Json* value = config.find(key);
  return value == nullptr ? 0 : value->as_int().value_or(0);
}

struct Case {
  const char* folder;
  const char* to;
  const char* key;
  std::int64_t ranks;
  std::int64_t size;
};

class Padding : public testing::TestWithParam<Case> {};

TEST_P(Padding, ChangesTheConfigAndNothingElse) {
  const Case& test = GetParam();
  for (const fs::path& folder : corpus_named(test.folder)) {
    SCOPED_TRACE(test.folder);
    TemporaryFolder work;
    const auto report =
        convert_folder(folder, work / "out", {.to = test.to, .pad_for_ranks = test.ranks});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(size_in(work / "out", test.key), test.size);
    EXPECT_THAT(mismatches(folder, work / "out"), IsEmpty());
    EXPECT_THAT(mismatches(work / "out", folder), IsEmpty());
    EXPECT_GT(count_pairs(folder, work / "out", PairStatus::kPadded), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Corpus, Padding,
    testing::Values(
        Case{"lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow", "compressed-tensors", "intermediate_size",
             3, 384},
        Case{"llmcompressor__W4A16_ASYM__tiny_llama", "compressed-tensors", "intermediate_size", 3,
             768},
        Case{"autoawq__gemm-w4g128__tiny_llama", "awq", "intermediate_size", 3, 768},
        Case{"gptqmodel__gptq-w4g32-asym-descact__tiny_llama", "gptq", "intermediate_size", 3, 768},
        Case{"llmcompressor__FP8_BLOCK__tiny_llama", "fp8", "intermediate_size", 3, 768},
        Case{"llmcompressor__FP8__tiny_llama", "modelopt", "intermediate_size", 3, 768},
        Case{"modelopt__NVFP4__tiny_qwen3moe", "modelopt", "moe_intermediate_size", 3, 384},
        Case{"byhand__mxfp4__tiny_gptoss", "compressed-tensors", "intermediate_size", 3, 384},
        Case{"byhand__mxfp4__tiny_gptoss", "mxfp4", "intermediate_size", 3, 384}),
    [](const auto& test) { return "n" + std::to_string(test.index); });

TEST(PadForTp, LeavesSizesThatDivideAlone) {
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  ASSERT_FALSE(folder.empty());
  TemporaryFolder work;
  ASSERT_TRUE(
      convert_folder(folder, work / "out", {.to = "compressed-tensors", .pad_for_ranks = 4}));
  EXPECT_EQ(size_in(work / "out", "intermediate_size"), 512);
  EXPECT_EQ(count_pairs(folder, work / "out", PairStatus::kPadded), 0);
}

TEST(PadForTp, IsSeenAsPaddingOnlyWhereTheReceiptNamesIt) {
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  ASSERT_FALSE(folder.empty());
  TemporaryFolder work;
  ASSERT_TRUE(
      convert_folder(folder, work / "out", {.to = "compressed-tensors", .pad_for_ranks = 3}));
  fs::remove(work / "out" / "requant.json");
  const auto found = mismatches(folder, work / "out");
  ASSERT_FALSE(found.empty());
  EXPECT_THAT(found.front(), HasSubstr("differs"));
}

TEST(PadForTp, FindsPaddingThatIsNotZero) {
  const fs::path folder = corpus_folder("lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow");
  ASSERT_FALSE(folder.empty());
  TemporaryFolder work;
  ASSERT_TRUE(
      convert_folder(folder, work / "out", {.to = "compressed-tensors", .pad_for_ranks = 3}));
  const auto opened = open_source(work / "out");
  const TensorInfo* weight = opened->find("model.layers.0.mlp.up_proj.weight");
  ASSERT_NE(weight, nullptr);
  std::string bytes = read_file(work / "out" / "model.safetensors");
  bytes[weight->offset + weight->bytes - 1] = 0x38;
  write_file(work / "out" / "model.safetensors", bytes);
  EXPECT_THAT(mismatches(folder, work / "out"),
              testing::ElementsAre(HasSubstr("model.layers.0.mlp.up_proj: differs")));
}

TEST(PadForTp, IsRefusedForAFamilyThatIsNotKnown) {
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  ASSERT_FALSE(folder.empty());
  TemporaryFolder work;
  fs::copy(folder, work / "in");
  std::string config = read_file(work / "in" / "config.json");
  config.replace(config.find("LlamaForCausalLM"), 16, "NobodyForCausalLM");
  config.replace(config.find("\"llama\""), 7, "\"nobody\"");
  write_file(work / "in" / "config.json", config);
  const auto report =
      convert_folder(work / "in", work / "out", {.to = "compressed-tensors", .pad_for_ranks = 3});
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message(), HasSubstr("--pad-for-tp"));
}

}  // namespace
}  // namespace requant
