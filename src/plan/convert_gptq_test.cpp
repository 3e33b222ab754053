// GPTQ and AWQ through the whole of convert: layouts of one dialect that its new config does not
// state are encoded anew, and every number stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::corpus_named;
using testing_support::different_tensors;
using testing_support::mismatches;
using testing_support::TemporaryFolder;

TEST(ConvertGptq, TakesAwqToGptqAndBackByteForByte) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  ASSERT_FALSE(folder.empty());
  ASSERT_TRUE(convert_folder(folder, work / "gptq", {.to = "gptq"}));
  EXPECT_THAT(mismatches(folder, work / "gptq"), IsEmpty());
  EXPECT_TRUE(fs::exists(work / "gptq/quantize_config.json"));
  ASSERT_TRUE(convert_folder(work / "gptq", work / "awq", {.to = "awq"}));
  EXPECT_THAT(different_tensors(folder, work / "awq"), IsEmpty());
}

TEST(ConvertGptq, TakesSymmetricGptqToAwqAndBackByteForByte) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("gptqmodel__gptq-w4g128-sym")) {
    ASSERT_TRUE(convert_folder(folder, work / "awq", {.to = "awq"}));
    EXPECT_THAT(mismatches(folder, work / "awq"), IsEmpty());
    ASSERT_TRUE(convert_folder(work / "awq", work / "gptq", {.to = "gptq"}));
    EXPECT_THAT(different_tensors(folder, work / "gptq"), IsEmpty());
  }
}

TEST(ConvertGptq, KeepsEveryNumberOfEveryLayout) {
  const TemporaryFolder work;
  for (const char* prefix : {"gptqmodel__gptq", "autogptq", "autoround__auto_round-w4g128"}) {
    for (const fs::path& folder : corpus_named(prefix)) {
      const fs::path out = work / folder.filename().string();
      const auto done = convert_folder(folder, out, {.to = "gptq"});
      ASSERT_TRUE(done) << folder << done.error().message();
      EXPECT_THAT(mismatches(folder, out), IsEmpty()) << folder;
    }
  }
  for (const char* prefix : {"autoawq__gemv", "autoawq__marlin", "autoround__auto_round-w4g32"}) {
    for (const fs::path& folder : corpus_named(prefix)) {
      const fs::path out = work / folder.filename().string();
      const auto done = convert_folder(folder, out, {.to = "awq"});
      ASSERT_TRUE(done) << folder << done.error().message();
      EXPECT_THAT(mismatches(folder, out), IsEmpty()) << folder;
    }
  }
}

TEST(ConvertGptq, WritesAutoRound) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  const auto done = convert_folder(folder, work / "out", {.to = "auto-round"});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(mismatches(folder, work / "out"), IsEmpty());
  EXPECT_THAT(different_tensors(folder, work / "out"), IsEmpty());
}

TEST(ConvertGptq, RefusesGroupsOutOfOrderForAwq) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("autogptq0.7.1__w4g128-asym-descact")) {
    const auto done = convert_folder(folder, work / "awq", {.to = "awq"});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), ErrorCode::kRefused);
  }
}

}  // namespace
}  // namespace requant
