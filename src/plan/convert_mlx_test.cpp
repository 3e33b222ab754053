// To and from MLX and GGUF through the whole of convert.
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
using testing_support::different_tensors;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;

Json config_in(const fs::path& folder) { return *parse_json(read_file(folder / "config.json")); }

// Zero points times scales of 16 bits are minima of F32, which are zero points again.
TEST(ConvertMlx, TakesAwqThereAndBackByteForByte) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  ASSERT_FALSE(folder.empty());
  const auto done = convert_folder(folder, work / "mlx", {.to = "mlx"});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(mismatches(folder, work / "mlx"), IsEmpty());
  const Json config = config_in(work / "mlx");
  ASSERT_NE(config.find("quantization"), nullptr);
  EXPECT_EQ(*config.find("quantization"), *config.find("quantization_config"));
  EXPECT_EQ(config.find("quantization")->dump(),
            R"({"group_size": 128, "bits": 4, "mode": "affine"})");
  const auto back = convert_folder(work / "mlx", work / "awq", {.to = "awq"});
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_THAT(different_tensors(folder, work / "awq"), IsEmpty());
  EXPECT_EQ(config_in(work / "awq").find("quantization"), nullptr);
}

TEST(ConvertMlx, RoundsMinimaOnlyWithLeave) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  const auto refused = convert_folder(folder, work / "no", {.to = "mlx:w4a16-f16"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("--allow zero-rounding gives leave"));
}

TEST(ConvertMlx, CopiesWhatMlxWrote) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("mlx__")) {
    const fs::path out = work / folder.filename().string();
    const auto done = convert_folder(folder, out, {.to = "mlx"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(different_tensors(folder, out), IsEmpty());
    EXPECT_EQ(*config_in(folder).find("quantization"), *config_in(out).find("quantization"));
  }
}

// The embedding is quantised there and nowhere else.
TEST(ConvertMlx, StoresEmbeddingsUnquantisedWithLeaveAlone) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("mlx__mxfp4")) {
    const auto refused = convert_folder(folder, work / "no", {.to = "compressed-tensors"});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("--allow dequantise gives leave"));
    EXPECT_THAT(refused.error().message(), HasSubstr("model.embed_tokens"));
  }
}

TEST(ConvertGguf, GivesTheFolderOfTheFamily) {
  const TemporaryFolder work;
  for (const char* name : {"llamacpp__q8_0__tiny_llama", "llamacpp__q4_k_m__tiny_qwen3moe",
                           "llamacpp__iq4_xs__tiny_llama", "llamacpp__tq2_0__tiny_llama"}) {
    const fs::path folder = corpus_folder(name);
    if (folder.empty()) continue;  // only a part of the corpus is at hand
    const fs::path out = work / name;
    const auto done = convert_folder(folder, out, {.to = "dense:f32"});
    ASSERT_TRUE(done) << name << ": " << done.error().message();
    EXPECT_THAT(mismatches(folder, out), IsEmpty()) << name;
    EXPECT_EQ(config_in(out).find("hidden_size")->as_int(), 256);
  }
}

}  // namespace
}  // namespace requant
