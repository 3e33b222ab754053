#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/support.h"

namespace requant {
namespace {

using testing_support::TemporaryFolder;
using testing_support::write_file;

TEST(File, ReadsByPosition) {
  const TemporaryFolder folder;
  write_file(folder / "f", "0123456789");
  const auto file = File::open(folder / "f");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 10u);
  const auto bytes = file->read_at(3, std::uint64_t{4});
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->text(), "3456");
  EXPECT_FALSE(file->read_at(8, std::uint64_t{3}));
  EXPECT_FALSE(file->read_at(~std::uint64_t{0}, std::uint64_t{3}));
}

TEST(File, RefusesWhatIsNotARegularFileWithoutWaiting) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  const auto fifo = File::open(folder / "fifo");
  ASSERT_FALSE(fifo);
  EXPECT_NE(fifo.error().message().find("found a FIFO"), std::string::npos);
  const auto zero = File::open("/dev/zero");
  ASSERT_FALSE(zero);
  EXPECT_NE(zero.error().message().find("found a device"), std::string::npos);
  const auto self = File::open(folder.path());
  ASSERT_FALSE(self);
  EXPECT_NE(self.error().message().find("found a folder"), std::string::npos);
  const auto missing = File::open(folder / "missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
}

TEST(File, BoundsSmallFiles) {
  const TemporaryFolder folder;
  write_file(folder / "f", "0123456789");
  EXPECT_TRUE(read_small_file(folder / "f", 10));
  EXPECT_FALSE(read_small_file(folder / "f", 9));
}

TEST(File, SaysThatAFileShrank) {
  const TemporaryFolder folder;
  write_file(folder / "f", std::string(1 << 20, 'x'));
  const auto file = File::open(folder / "f");
  ASSERT_TRUE(file);
  std::filesystem::resize_file(folder / "f", 4096);
  const auto bytes = file->read_at(0, 1 << 20);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(bytes.error().message().find("the file ends at byte 4096"), std::string::npos);
}

}  // namespace
}  // namespace requant
