#include "plan/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr auto kInternVl = "lmdeploy__sq-fp8-v072__tiny-internvl25";

class Verify : public testing::Test {
 protected:
  void SetUp() override {
    source_ = corpus_folder(kInternVl);
    ASSERT_FALSE(source_.empty());
    ASSERT_TRUE(convert_folder(source_, work_ / "out"));
  }

  // Adds 1 to a byte of a tensor of the converted checkpoint.
  void damage(const std::string& tensor, std::uint64_t at) {
    const fs::path path = work_ / "out" / "model.safetensors";
    std::string bytes = read_file(path);
    const auto opened = open_source(work_ / "out");
    ASSERT_NE(opened->find(tensor), nullptr);
    ++bytes[opened->find(tensor)->offset + at];
    write_file(path, bytes);
  }

  TemporaryFolder work_;
  fs::path source_;
};

TEST_F(Verify, FindsACheckpointEqualToItself) {
  EXPECT_THAT(mismatches(source_, source_), IsEmpty());
}

TEST_F(Verify, NamesTheOneCodeThatChanged) {
  damage("language_model.model.layers.0.attention.wo.weight", 256 + 5);
  EXPECT_THAT(mismatches(source_, work_ / "out"),
              ElementsAre(HasSubstr("language_model.model.layers.0.attention.wo: differs [1, 5]")));
}

TEST_F(Verify, NamesTheScaleThatChanged) {
  damage("language_model.model.layers.1.feed_forward.w1.weight_scale", 4);
  EXPECT_THAT(
      mismatches(source_, work_ / "out"),
      ElementsAre(HasSubstr("language_model.model.layers.1.feed_forward.w1: differs [1, ")));
}

TEST_F(Verify, NamesTheUnquantisedValueThatChanged) {
  damage("language_model.model.norm.weight", 2 * 7);
  EXPECT_THAT(mismatches(source_, work_ / "out"),
              ElementsAre(HasSubstr("language_model.model.norm: differs [7]")));
}

TEST_F(Verify, HoldsAQuantisedCheckpointAgainstADenseOneBothWays) {
  ASSERT_TRUE(convert_folder(source_, work_ / "dense", {.to = "dense:bf16"}));
  EXPECT_THAT(mismatches(source_, work_ / "dense"), IsEmpty());
  EXPECT_THAT(mismatches(work_ / "dense", source_), IsEmpty());
}

}  // namespace
}  // namespace requant
