#include "plan/verify_checksums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "base/environment.h"
#include "plan/receipt.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing_support::contents;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr auto kSource = "lmdeploy__sq-fp8-v072__tiny-internvl25";

class VerifyChecksums : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(convert_folder(corpus_folder(kSource), out_, {.max_shard_bytes = 600'000}));
  }

  // Flips one bit and takes it back; gives what was found in between.
  Result<Checksums> with_flip(const std::string& name, std::uint64_t byte, int bit) {
    const auto flip = [&] {
      std::fstream file(out_ / name, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(byte));
      const auto old = static_cast<unsigned>(file.get());
      file.seekp(static_cast<std::streamoff>(byte));
      file.put(static_cast<char>(old ^ 1U << static_cast<unsigned>(bit)));
    };
    flip();
    auto found = compare_checksums(out_);
    flip();
    return found;
  }

  TemporaryFolder work_;
  fs::path out_ = work_ / "out";
};

TEST_F(VerifyChecksums, FindsNothingInWhatWasWritten) {
  const auto found = compare_checksums(out_);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT(found->damage, IsEmpty());
  EXPECT_THAT(found->unlisted, IsEmpty());
  EXPECT_GT(found->tensors, 50U);
  std::uint64_t bytes = 0;
  for (const auto& [name, text] : contents(out_)) bytes += name == kReceiptName ? 0 : text.size();
  EXPECT_EQ(found->bytes, bytes);
}

// REQUANT_FLIPS: how many; each anywhere in the folder, at random.
TEST_F(VerifyChecksums, FindsEveryFlippedBitAndNamesItsPlace) {
  const std::string wanted = environment("REQUANT_FLIPS");
  const int flips = wanted.empty() ? 300 : std::stoi(wanted);
  const auto files = contents(out_);
  std::uint64_t total = 0;
  for (const auto& [name, text] : files) total += text.size();
  std::mt19937_64 random(1);
  int in_tensors = 0;
  for (int i = 0; i < flips; ++i) {
    std::uint64_t at = random() % total;
    auto file = files.begin();
    while (at >= file->second.size()) at -= (file++)->second.size();
    const auto& name = file->first;
    const auto found = with_flip(name, at, static_cast<int>(random() % 8));
    if (name == kReceiptName) {
      // A receipt that cannot be read any more is an error that names it.
      if (found) {
        ASSERT_THAT(found->damage, testing::Not(IsEmpty())) << at;
        EXPECT_EQ(found->damage.front().file, name);
      } else {
        EXPECT_THAT(found.error().message(), testing::HasSubstr(name));
      }
      continue;
    }
    ASSERT_TRUE(found) << name << " " << at << ": " << found.error().message();
    ASSERT_EQ(found->damage.size(), 1U) << name << " " << at;
    EXPECT_EQ(found->damage[0].file, name);
    if (!name.ends_with(".safetensors")) continue;
    const auto source = open_source(out_ / name);
    ASSERT_TRUE(source);
    std::string tensor;
    for (const TensorInfo& info : source->tensors()) {
      if (at >= info.offset && at < info.offset + info.bytes) tensor = info.name;
    }
    EXPECT_EQ(found->damage[0].tensor, tensor) << at;
    in_tensors += tensor.empty() ? 0 : 1;
  }
  RecordProperty("in_tensors", in_tensors);
  EXPECT_GT(in_tensors, flips / 4);
}

TEST_F(VerifyChecksums, NamesFilesThatAreMissingCutOrTooLong) {
  const std::string shard = "model-00002-of-00004.safetensors";
  ASSERT_TRUE(fs::exists(out_ / shard));
  const std::string whole = read_file(out_ / shard);
  write_file(out_ / shard, whole + "x");
  EXPECT_EQ(compare_checksums(out_)->damage.front().file, shard);
  write_file(out_ / shard, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(compare_checksums(out_)->damage.front().file, shard);
  fs::remove(out_ / shard);
  EXPECT_EQ(compare_checksums(out_)->damage.front().file, shard);
  write_file(out_ / shard, whole);
  fs::remove(out_ / "tokenizer.json");
  write_file(out_ / "extra.txt", "text");
  const auto found = compare_checksums(out_);
  EXPECT_EQ(found->damage.front().file, "tokenizer.json");
  EXPECT_EQ(found->unlisted, std::vector<std::string>{"extra.txt"});
}

TEST_F(VerifyChecksums, OpensNothingOutsideTheFolder) {
  const std::string text = read_file(out_ / kReceiptName);
  for (const char* name : {"../config.json", "/etc/passwd", ""}) {
    std::string bad = text.substr(0, text.rfind("  \"sha256_above"));
    const std::string quoted = "\"config.json\"";
    bad.replace(bad.rfind(quoted), quoted.size(), "\"" + std::string(name) + "\"");
    write_file(out_ / kReceiptName, with_own_sum(bad));
    const auto found = compare_checksums(out_);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), ErrorCode::kCorrupt);
  }
}

TEST_F(VerifyChecksums, RefusesAReceiptWithoutThem) {
  write_file(out_ / kReceiptName, R"({"schema": "requant/receipt/1", "tensors": [], "files": []})");
  const auto found = compare_checksums(out_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kRefused);
  fs::remove(out_ / kReceiptName);
  EXPECT_EQ(compare_checksums(out_).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace requant
