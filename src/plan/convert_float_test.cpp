// Conversions of the FP8, ModelOpt and read-only dialects, on the folders that are at hand.

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

class ConvertFloats : public testing::Test {
 protected:
  fs::path out(const fs::path& folder, const char* what) {
    return work_ / (folder.filename().string() + "-" + what);
  }

  // There, exactly, and back to the same bytes.
  void expect_return(const fs::path& folder, const std::string& to, const std::string& own) {
    SCOPED_TRACE(folder.filename().string() + " to " + to);
    const auto done = convert_folder(folder, out(folder, "there"), {.to = to});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(folder, out(folder, "there")), IsEmpty());
    const auto returned = convert_folder(out(folder, "there"), out(folder, "back"), {.to = own});
    ASSERT_TRUE(returned) << returned.error().message();
    EXPECT_THAT(different_tensors(folder, out(folder, "back")), IsEmpty());
  }

  std::string refusal(const fs::path& folder, const std::string& to) {
    const auto done = convert_folder(folder, out(folder, "refused"), {.to = to});
    if (done) return "";
    EXPECT_EQ(done.error().code(), ErrorCode::kRefused) << done.error().message();
    return done.error().message();
  }

  TemporaryFolder work_;
};

TEST_F(ConvertFloats, TakeBlocksToCompressedTensorsAndBack) {
  for (const fs::path& folder : corpus_named("transformers__finegrained_fp8__")) {
    expect_return(folder, "compressed-tensors", "fp8");
  }
}

TEST_F(ConvertFloats, WidenScalesThatArePowersOfTwo) {
  for (const fs::path& folder : corpus_named("transformers__finegrained_fp8-ue8m0")) {
    const auto done = convert_folder(folder, out(folder, "there"), {.to = "compressed-tensors"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(folder, out(folder, "there")), IsEmpty());
  }
}

TEST_F(ConvertFloats, TakeFbgemmToCompressedTensorsAndBack) {
  for (const fs::path& folder : corpus_named("byhand__fbgemm_fp8")) {
    expect_return(folder, "compressed-tensors", "fbgemm_fp8");
  }
}

TEST_F(ConvertFloats, TakeModelOptsStaticFp8ToCompressedTensorsAndBack) {
  for (const fs::path& folder : corpus_named("modelopt__FP8__")) {
    expect_return(folder, "compressed-tensors", "modelopt");
  }
}

TEST_F(ConvertFloats, WriteEveryFp8AndModelOptFolderAnew) {
  for (const std::string prefix :
       {"modelopt__", "transformers__finegrained_fp8", "byhand__fbgemm"}) {
    for (const fs::path& folder : corpus_named(prefix)) {
      SCOPED_TRACE(folder.filename().string());
      const auto source = Checkpoint::open(folder);
      ASSERT_TRUE(source) << source.error().message();
      const std::string own(source->dialect().name);
      const auto done = convert_folder(folder, out(folder, "anew"), {.to = own});
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_THAT(different_tensors(folder, out(folder, "anew")), IsEmpty());
      const auto opened = Checkpoint::open(out(folder, "anew"));
      ASSERT_TRUE(opened) << opened.error().message();
      EXPECT_EQ(opened->dialect().name, own);
      for (std::size_t i = 0; i < source->weights().size(); ++i) {
        EXPECT_EQ(opened->weights()[i].scheme, source->weights()[i].scheme);
      }
    }
  }
}

TEST_F(ConvertFloats, DoNotDropTheInputsFactorsAndMultiplyThemIntoDenseValues) {
  for (const fs::path& folder : corpus_named("modelopt__INT8_SQ")) {
    EXPECT_THAT(refusal(folder, "compressed-tensors"), HasSubstr("input multiplier"));
    const auto done = convert_folder(folder, out(folder, "dense"), {.to = "dense:f32"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(folder, out(folder, "dense")), IsEmpty());
  }
}

TEST_F(ConvertFloats, TakeEveryGridToDense) {
  for (const std::string prefix :
       {"bnb__", "quark__", "torchao__", "gptqmodel__fp8-row", "transformers__finegrained_fp8",
        "modelopt__FP8_PB_WO", "modelopt__NVFP4"}) {
    for (const fs::path& folder : corpus_named(prefix)) {
      SCOPED_TRACE(folder.filename().string());
      const auto done = convert_folder(folder, out(folder, "dense"), {.to = "dense:f32"});
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_THAT(mismatches(folder, out(folder, "dense")), IsEmpty());
      EXPECT_THAT(read_file(out(folder, "dense") / "config.json"),
                  testing::Not(HasSubstr("quantization_config")));
    }
  }
}

TEST_F(ConvertFloats, DoNotWriteWhatDivides) {
  for (const fs::path& folder : corpus_named("gptqmodel__fp8-row")) {
    EXPECT_THAT(refusal(folder, "fp8"), HasSubstr("--allow activations-changed"));
  }
}

}  // namespace
}  // namespace requant
