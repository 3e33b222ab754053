#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/signals.h"
#include "plan/journal.h"
#include "plan/receipt.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing_support::contents;
using testing_support::corpus_folder;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr auto kSource = "lmdeploy__sq-fp8-v072__tiny-internvl25";
constexpr std::uint64_t kShardBytes = 200'000;  // a dozen files

// Conversions of one source, of which some are stopped on the way.
class Resume : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy(corpus_folder(kSource), work_ / "in", fs::copy_options::recursive);
    ASSERT_TRUE(convert("undisturbed"));
    want_ = contents(work_ / "undisturbed");
    ASSERT_GT(shards_of(work_ / "undisturbed"), 4);
  }
  void TearDown() override { set_interrupted(false); }

  static int shards_of(const fs::path& folder) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      count += entry.path().extension() == ".safetensors" ? 1 : 0;
    }
    return count;
  }

  fs::path a_weight_file() const {
    for (const auto& entry : fs::directory_iterator(work_ / "in")) {
      const std::string end = entry.path().extension().string();
      if (end == ".safetensors" || end == ".bin") return entry.path();
    }
    return {};
  }

  Result<RunReport> convert(const std::string& out, const std::string& options = "") {
    notices_.clear();
    RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(work_ / "in"));
    PlanRequest request;
    request.max_shard_bytes = kShardBytes;
    RQ_TRY(request.target, parse_target("compressed-tensors"));
    RQ_TRY(const Plan plan, make_plan(checkpoint, request));
    RQ_TRY(OutputFolder folder,
           OutputFolder::begin(
               work_ / out,
               {.input = work_ / "in", .overwrite = false, .receipt = std::string(kReceiptName)}));
    RQ_TRY(RunReport report,
           run_plan(checkpoint, plan, folder,
                    {.progress = progress_,
                     .notice = [&](const std::string& line) { notices_.push_back(line); },
                     .options = options}));
    RQ_CHECK(folder.commit());
    return report;
  }

  // What a run leaves that was killed when this many files were finished, the last of them half
  // noted: the whole of an undisturbed one, cut back.
  void leave_partial(int finished) {
    const fs::path partial = work_ / "out.requant-partial";
    fs::remove_all(partial);
    fs::create_directories(partial / "new");
    write_file(partial / "lock", "");
    std::string journal;
    int lines = 0;
    for (const char byte : whole_journal()) {
      if (lines <= finished) journal += byte;
      lines += byte == '\n' ? 1 : 0;
    }
    write_file(partial / "journal", journal + "0123 torn");
    for (const auto& [name, text] : want_) write_file(partial / "new" / name, text);
  }

  // The journal as it stands when all files are finished, of a run that then cannot write.
  std::string whole_journal() {
    if (!journal_.empty()) return journal_;
    const fs::path partial = work_ / "stopped.requant-partial";
    progress_ = [&](std::uint64_t done, std::uint64_t total) {
      if (done == total) fs::create_directories(partial / "new" / "README.md");
    };
    const auto done = convert("stopped");
    progress_ = {};
    EXPECT_FALSE(done);
    EXPECT_EQ(done.error().code(), ErrorCode::kResource);
    EXPECT_THAT(done.error().message(), HasSubstr("the same command goes on from there"));
    journal_ = read_file(partial / "journal");
    return journal_;
  }

  TemporaryFolder work_;
  std::map<std::string, std::string> want_;
  std::vector<std::string> notices_;
  std::string journal_;
  ProgressCall progress_;
};

TEST_F(Resume, GoesOnFromWhatWasFinished) {
  for (const int finished : {1, 3}) {
    leave_partial(finished);
    ASSERT_TRUE(convert("out"));
    EXPECT_THAT(notices_, Contains(HasSubstr("going on: " + std::to_string(finished) + " of ")));
    EXPECT_EQ(contents(work_ / "out"), want_);
    EXPECT_FALSE(fs::exists(work_ / "out.requant-partial"));
    fs::remove_all(work_ / "out");
  }
}

TEST_F(Resume, DoesNotWriteAFinishedFileAgain) {
  leave_partial(2);
  fs::create_directory(work_ / "before");
  for (const auto& [name, text] : want_) {
    fs::create_hard_link(work_ / "out.requant-partial" / "new" / name, work_ / "before" / name);
  }
  ASSERT_TRUE(convert("out"));
  int same = 0;
  for (const auto& [name, text] : want_) {
    same += fs::equivalent(work_ / "before" / name, work_ / "out" / name) ? 1 : 0;
  }
  EXPECT_EQ(same, 2);
}

TEST_F(Resume, MakesAFileAgainThatIsNotAsItsHashSays) {
  leave_partial(1000);
  const fs::path folder = work_ / "out.requant-partial" / "new";
  for (const auto& [name, text] : want_) {
    if (!name.starts_with("model-00002-of-")) continue;
    std::string damaged = text;
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    write_file(folder / name, damaged);
  }
  ASSERT_TRUE(convert("out"));
  EXPECT_THAT(notices_, Contains(HasSubstr("is made again")));
  EXPECT_EQ(contents(work_ / "out"), want_);
}

TEST_F(Resume, StartsAnewForOtherOptionsAndSaysSo) {
  leave_partial(3);
  ASSERT_TRUE(convert("out", "other"));
  EXPECT_THAT(notices_, Contains(HasSubstr("other options")));
  EXPECT_EQ(contents(work_ / "out"), want_);
}

TEST_F(Resume, StartsAnewWhenTheSourceHasChanged) {
  leave_partial(3);
  const fs::path weights = a_weight_file();
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(1));
  ASSERT_TRUE(convert("out"));
  EXPECT_THAT(notices_, Contains(HasSubstr("the source has changed")));
  EXPECT_EQ(contents(work_ / "out"), want_);
}

TEST_F(Resume, StartsAnewWithAJournalThatCannotBeRead) {
  leave_partial(3);
  write_file(work_ / "out.requant-partial" / "journal", "no journal\n");
  ASSERT_TRUE(convert("out"));
  EXPECT_THAT(notices_, Contains(HasSubstr("journal cannot be read")));
  EXPECT_EQ(contents(work_ / "out"), want_);
}

TEST_F(Resume, AnErrorThatMayPassLeavesWhatIsFinished) {
  EXPECT_FALSE(whole_journal().empty());
  ASSERT_TRUE(convert("stopped"));
  EXPECT_THAT(notices_, Contains(HasSubstr("going on: ")));
  EXPECT_EQ(contents(work_ / "stopped"), want_);
}

TEST_F(Resume, AnInterruptionBeforeTheFirstFileLeavesNothing) {
  set_interrupted(true);
  const auto done = convert("out");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kInterrupted);
  EXPECT_FALSE(fs::exists(work_ / "out"));
  EXPECT_FALSE(fs::exists(work_ / "out.requant-partial"));
}

TEST_F(Resume, FindsTheResultOfTheSameRun) {
  const auto checkpoint = Checkpoint::open(work_ / "in");
  PlanRequest request;
  request.max_shard_bytes = kShardBytes;
  request.target = *parse_target("compressed-tensors");
  const auto plan = make_plan(*checkpoint, request);
  const auto found = find_result(*checkpoint, *plan, work_ / "undisturbed");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found->has_value());
  request.max_shard_bytes *= 2;
  const auto other = make_plan(*checkpoint, request);
  EXPECT_FALSE(find_result(*checkpoint, *other, work_ / "undisturbed")->has_value());
  // Another source of the same names and sizes.
  const TensorInfo& tensor = checkpoint->source().tensors().front();
  const fs::path file = work_ / "in" / checkpoint->source().files()[tensor.file].label();
  std::string bytes = read_file(file);
  bytes[tensor.offset] = static_cast<char>(bytes[tensor.offset] ^ 1);
  write_file(file, bytes);
  EXPECT_FALSE(find_result(*checkpoint, *plan, work_ / "undisturbed")->has_value());
}

}  // namespace
}  // namespace requant
