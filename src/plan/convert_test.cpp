#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/signals.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::contents;
using testing_support::convert_folder;
using testing_support::ConvertCall;
using testing_support::corpus_folder;
using testing_support::corpus_named;
using testing_support::count_pairs;
using testing_support::different_tensors;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr auto kInternVl = "lmdeploy__sq-fp8-v072__tiny-internvl25";
constexpr auto kZeroRows = "lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow";
constexpr auto kE5m2 = "lmdeploy__sq-e5m2-v072__tiny-llama";
constexpr auto kAwq = "lmdeploy__awq-v072__tiny-internvl25";

class Convert : public testing::Test {
 protected:
  // The message of the refusal; empty where there was none.
  std::string refusal(const fs::path& from, const fs::path& out, const ConvertCall& call = {},
                      ErrorCode code = ErrorCode::kRefused) {
    const auto done = convert_folder(from, out, call);
    if (done) return "";
    EXPECT_EQ(done.error().code(), code) << done.error().message();
    EXPECT_FALSE(fs::exists(out.string() + ".requant-partial"));
    return done.error().message();
  }

  fs::path source(const char* name) { return corpus_folder(name); }

  TemporaryFolder work_;
};

TEST_F(Convert, TakesEveryLmdeployCheckpointToCompressedTensorsAndBack) {
  for (const fs::path& folder : corpus_named("lmdeploy__sq")) {
    if (folder.filename() == kE5m2) continue;  // vLLM's form of it is not exact
    SCOPED_TRACE(folder.filename().string());
    const fs::path there = work_ / (folder.filename().string() + "-ct");
    const fs::path back = work_ / (folder.filename().string() + "-back");
    const fs::path direct = work_ / (folder.filename().string() + "-direct");
    const auto done = convert_folder(folder, there);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(folder, there), IsEmpty());
    const auto returned = convert_folder(there, back, {.to = "lmdeploy"});
    ASSERT_TRUE(returned) << returned.error().message();
    ASSERT_TRUE(convert_folder(folder, direct, {.to = "lmdeploy"}));
    EXPECT_THAT(different_tensors(direct, back), IsEmpty());
    if (done->repaired_weights == 0) {
      EXPECT_THAT(different_tensors(folder, direct), IsEmpty());
    }
  }
}

TEST_F(Convert, TakesLmdeployToDenseAsTheExactValuesRoundedOnce) {
  for (const fs::path& folder : corpus_named("lmdeploy__sq")) {
    for (const char* dtype : {"f32", "bf16", "f16"}) {
      SCOPED_TRACE(folder.filename().string() + " " + dtype);
      const fs::path out = work_ / (folder.filename().string() + dtype);
      const auto done = convert_folder(folder, out, {.to = std::string("dense:") + dtype});
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_THAT(mismatches(folder, out), IsEmpty());
      EXPECT_THAT(read_file(out / "config.json"), testing::Not(HasSubstr("quantization_config")));
    }
  }
}

TEST_F(Convert, RepairsRowsOfScaleZeroAndSaysSo) {
  const fs::path folder = source(kZeroRows);
  ASSERT_FALSE(folder.empty());
  const auto done = convert_folder(folder, work_ / "out");
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_GT(done->repaired_weights, 0U);
  EXPECT_EQ(count_pairs(folder, work_ / "out", PairStatus::kRepaired),
            static_cast<int>(done->repaired_weights));
  EXPECT_THAT(read_file(work_ / "out" / "requant.json"), HasSubstr("repaired_rows"));
}

TEST_F(Convert, MovesANestedAwqConfigToTheTopAndKeepsEveryTensor) {
  const fs::path folder = source(kAwq);
  ASSERT_FALSE(folder.empty());
  const auto done = convert_folder(folder, work_ / "out", {.to = "awq"});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(different_tensors(folder, work_ / "out"), IsEmpty());
  const auto opened = Checkpoint::open(work_ / "out");
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_NE(opened->config().find("quantization_config"), nullptr);
  EXPECT_EQ(opened->config().at({"llm_config", "quantization_config"}), nullptr);
}

TEST_F(Convert, WritesTheSameBytesTwice) {
  const fs::path folder = source(kInternVl);
  ASSERT_FALSE(folder.empty());
  ASSERT_TRUE(convert_folder(folder, work_ / "a"));
  ASSERT_TRUE(convert_folder(folder, work_ / "b", {.max_shard_bytes = 5'000'000'000}));
  EXPECT_EQ(contents(work_ / "a"), contents(work_ / "b"));
}

TEST_F(Convert, DividesShardsWithoutChangingATensor) {
  const fs::path folder = source(kInternVl);
  ASSERT_FALSE(folder.empty());
  ASSERT_TRUE(convert_folder(folder, work_ / "one"));
  const auto done = convert_folder(folder, work_ / "many", {.max_shard_bytes = 300'000});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(fs::exists(work_ / "many" / "model.safetensors.index.json"));
  EXPECT_THAT(different_tensors(work_ / "one", work_ / "many"), IsEmpty());
}

TEST_F(Convert, CopiesSideFilesAndLeavesStaleOnesBehind) {
  const fs::path folder = source(kInternVl);
  ASSERT_FALSE(folder.empty());
  fs::copy(folder, work_ / "in");
  fs::permissions(work_ / "in", fs::perms::owner_all);
  write_file(work_ / "in" / "inputs_stats.pth", "old");
  write_file(work_ / "in" / "hf_quant_config.json", "{}");
  write_file(work_ / "in" / "LICENSE.txt", "MIT");
  write_file(work_ / "in" / "README.md",
             "---\nlicense: mit\nbase_model: org/name\n---\nold text\n");
  const auto done = convert_folder(work_ / "in", work_ / "out");
  ASSERT_TRUE(done) << done.error().message();
  const auto files = contents(work_ / "out");
  EXPECT_EQ(files.at("tokenizer.json"), read_file(folder / "tokenizer.json"));
  EXPECT_EQ(files.at("LICENSE.txt"), "MIT");
  EXPECT_TRUE(files.contains("modeling_internlm2.py"));
  EXPECT_FALSE(files.contains("inputs_stats.pth"));
  EXPECT_FALSE(files.contains("hf_quant_config.json"));
  EXPECT_FALSE(files.contains("pytorch_model.bin"));
  EXPECT_THAT(files.at("README.md"),
              testing::StartsWith("---\nlicense: mit\nbase_model: org/name\n"
                                  "base_model_relation: quantized\nquantized_by: requant\n---\n"));
}

TEST_F(Convert, TakesTokenizerFilesFromWhereItIsTold) {
  const fs::path folder = source(kInternVl);
  ASSERT_FALSE(folder.empty());
  fs::create_directory(work_ / "original");
  write_file(work_ / "original" / "tokenizer.json", "the original");
  ASSERT_TRUE(convert_folder(folder, work_ / "out", {.tokenizer_from = work_ / "original"}));
  EXPECT_EQ(read_file(work_ / "out" / "tokenizer.json"), "the original");
  EXPECT_FALSE(fs::exists(work_ / "out" / "tokenizer_config.json"));
}

TEST_F(Convert, RefusesToRoundE5m2WithoutLeave) {
  const fs::path folder = source(kE5m2);
  ASSERT_FALSE(folder.empty());
  const std::string message = refusal(folder, work_ / "out");
  EXPECT_THAT(message, HasSubstr("--allow code-rounding"));
  EXPECT_THAT(message, HasSubstr("model.layers.0"));
  EXPECT_THAT(message, HasSubstr("2^-10"));
  const auto done =
      convert_folder(folder, work_ / "out", {.allow = {"code-rounding", "activations-changed"}});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(read_file(work_ / "out" / "requant.json"), HasSubstr("code-rounding"));
}

TEST_F(Convert, RefusesANanThatNoZeroRowExplains) {
  ASSERT_FALSE(source(kInternVl).empty());
  ASSERT_TRUE(convert_folder(source(kInternVl), work_ / "in", {.to = "lmdeploy"}));
  std::string bytes = read_file(work_ / "in" / "model.safetensors");
  const auto opened = open_source(work_ / "in");
  const TensorInfo* info = opened->find("language_model.model.layers.1.feed_forward.w2.weight");
  ASSERT_NE(info, nullptr);
  bytes[info->offset + info->bytes - 1] = 0x7F;
  write_file(work_ / "in" / "model.safetensors", bytes);
  const std::string message = refusal(work_ / "in", work_ / "out");
  EXPECT_THAT(message, HasSubstr("language_model.model.layers.1.feed_forward.w2"));
  EXPECT_FALSE(fs::exists(work_ / "out"));
}

TEST_F(Convert, EndsWithoutATraceWhenItIsInterrupted) {
  ASSERT_FALSE(source(kInternVl).empty());
  set_interrupted(true);
  EXPECT_NE(refusal(source(kInternVl), work_ / "out", {}, ErrorCode::kInterrupted), "");
  set_interrupted(false);
  EXPECT_FALSE(fs::exists(work_ / "out"));
}

TEST_F(Convert, ReplacesItsOwnOutputOnlyWhenTold) {
  ASSERT_FALSE(source(kInternVl).empty());
  ASSERT_TRUE(convert_folder(source(kInternVl), work_ / "out"));
  const auto before = contents(work_ / "out");
  EXPECT_THAT(refusal(source(kInternVl), work_ / "out"), HasSubstr("--overwrite"));
  ASSERT_TRUE(convert_folder(source(kInternVl), work_ / "out", {.overwrite = true}));
  EXPECT_EQ(contents(work_ / "out"), before);
}

}  // namespace
}  // namespace requant
