#include "base/output_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

class OutputFolderTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directory(work_ / "in"); }
  OutputRules rules(bool overwrite = false) const {
    return {.input = work_ / "in", .overwrite = overwrite, .receipt = "receipt.json"};
  }
  Result<void> write_all(const fs::path& out, std::string_view text, bool overwrite = false) const {
    RQ_TRY(OutputFolder folder, OutputFolder::begin(out, rules(overwrite)));
    RQ_CHECK(folder.keep_only({}));
    RQ_CHECK(folder.write("sub/a.txt", bytes_of(text)));
    RQ_CHECK(folder.write("receipt.json", bytes_of("{}")));
    return folder.commit();
  }
  ErrorCode refusal(const fs::path& out, bool overwrite = false) const {
    const auto checked = check_output(out, rules(overwrite));
    EXPECT_FALSE(checked) << out;
    return checked ? ErrorCode::kCorrupt : checked.error().code();
  }

  TemporaryFolder work_;
};

TEST_F(OutputFolderTest, AppearsWholeWhenCommitted) {
  const fs::path out = work_ / "out";
  {
    auto folder = OutputFolder::begin(out, rules());
    ASSERT_TRUE(folder) << folder.error().message();
    ASSERT_TRUE(folder->write("a.txt", bytes_of("text")));
    EXPECT_FALSE(fs::exists(out));
    ASSERT_TRUE(folder->commit());
  }
  EXPECT_EQ(read_file(out / "a.txt"), "text");
  EXPECT_FALSE(fs::exists(out.string() + ".requant-partial"));
}

TEST_F(OutputFolderTest, LeavesNothingWhenItIsNotCommitted) {
  const fs::path out = work_ / "out";
  {
    auto folder = OutputFolder::begin(out, rules());
    ASSERT_TRUE(folder);
    ASSERT_TRUE(folder->write("a.txt", bytes_of("text")));
  }
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out.string() + ".requant-partial"));
}

TEST_F(OutputFolderTest, LetsOneRunWriteAnOutput) {
  const auto folder = OutputFolder::begin(work_ / "out", rules());
  ASSERT_TRUE(folder);
  const auto second = OutputFolder::begin(work_ / "out", rules());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kResource);
  EXPECT_THAT(second.error().message(), HasSubstr("another requant is writing it"));
}

TEST_F(OutputFolderTest, RemovesWhatAKilledRunLeft) {
  const fs::path partial = work_ / "out.requant-partial";
  fs::create_directories(partial / "new");
  write_file(partial / "lock", "");
  write_file(partial / "new" / "stale.txt", "old");
  ASSERT_TRUE(write_all(work_ / "out", "text"));
  EXPECT_FALSE(fs::exists(work_ / "out" / "stale.txt"));
  EXPECT_FALSE(fs::exists(partial));
}

TEST_F(OutputFolderTest, KeepsAFolderOfThatNameThatIsNotOurs) {
  fs::create_directories(work_ / "out.requant-partial");
  write_file(work_ / "out.requant-partial" / "mine.txt", "text");
  const auto done = write_all(work_ / "out", "text");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kRefused);
  EXPECT_TRUE(fs::exists(work_ / "out.requant-partial" / "mine.txt"));
}

TEST_F(OutputFolderTest, RefusesPlacesThatCannotBeAnOutput) {
  write_file(work_ / "file", "text");
  fs::create_symlink(work_ / "in", work_ / "link");
  EXPECT_EQ(refusal(work_ / "in"), ErrorCode::kUsage);
  EXPECT_EQ(refusal(work_ / "in" / ""), ErrorCode::kUsage);
  EXPECT_EQ(refusal(work_ / "in" / "deep" / "er"), ErrorCode::kUsage);
  EXPECT_EQ(refusal(work_ / "link" / "deep"), ErrorCode::kUsage);
  EXPECT_EQ(refusal(work_.path()), ErrorCode::kUsage);
  EXPECT_EQ(refusal(work_ / "file"), ErrorCode::kUsage);
  EXPECT_EQ(refusal("/"), ErrorCode::kUsage);
}

TEST_F(OutputFolderTest, ReplacesOnlyItsOwnAndOnlyWhenTold) {
  fs::create_directory(work_ / "foreign");
  write_file(work_ / "foreign" / "a.txt", "mine");
  EXPECT_EQ(refusal(work_ / "foreign"), ErrorCode::kRefused);
  EXPECT_EQ(refusal(work_ / "foreign", true), ErrorCode::kRefused);

  ASSERT_TRUE(write_all(work_ / "out", "first"));
  EXPECT_EQ(refusal(work_ / "out"), ErrorCode::kRefused);
  const auto done = write_all(work_ / "out", "second", true);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(read_file(work_ / "out" / "sub" / "a.txt"), "second");
  EXPECT_FALSE(fs::exists(work_ / "out.requant-partial"));
}

TEST_F(OutputFolderTest, TakesAnEmptyFolder) {
  fs::create_directory(work_ / "empty");
  ASSERT_TRUE(write_all(work_ / "empty", "text"));
  EXPECT_EQ(read_file(work_ / "empty" / "sub" / "a.txt"), "text");
}

TEST_F(OutputFolderTest, AsksForSpaceBeforeTheFirstByte) {
  const auto folder = OutputFolder::begin(work_ / "out", rules());
  ASSERT_TRUE(folder);
  EXPECT_TRUE(folder->require_space(1));
  const auto refused = folder->require_space(std::uint64_t{1} << 60);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kResource);
}

}  // namespace
}  // namespace requant
