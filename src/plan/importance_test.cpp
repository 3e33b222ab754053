#include "plan/importance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "container/gguf_file.h"
#include "support/support.h"

namespace requant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::TemporaryFolder;
using testing_support::write_file;

template <class T>
std::string bytes_of_number(T value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

std::string bytes_of_numbers(const std::vector<float>& numbers) {
  std::string bytes;
  for (const float number : numbers) bytes += bytes_of_number(number);
  return bytes;
}

// As llama-imatrix --output-format dat wrote it: entries, then the last call and a file's name.
std::string older(const std::string& name, std::int32_t calls, const std::vector<float>& numbers) {
  return bytes_of_number<std::int32_t>(1) +
         bytes_of_number(static_cast<std::int32_t>(name.size())) + name + bytes_of_number(calls) +
         bytes_of_number(static_cast<std::int32_t>(numbers.size())) + bytes_of_numbers(numbers);
}

std::vector<float> row(const Importance& importance, std::int64_t index, std::int64_t cols) {
  const auto found = importance.find("blk.0.ffn_up.weight", index, cols);
  EXPECT_TRUE(found) << found.error().message();
  if (!found || !*found) return {};
  const auto values = (*found)->as<float>();
  return {values.begin(), values.end()};
}

TEST(Importance, IsReadFromTheOlderFile) {
  const TemporaryFolder work;
  const std::string tail =
      bytes_of_number<std::int32_t>(5) + bytes_of_number<std::int32_t>(1) + "a";
  write_file(work / "a.dat", older("blk.0.ffn_up.weight", 4, {8, 2, 0, 6}) + tail);
  const auto importance = Importance::read(work / "a.dat");
  ASSERT_TRUE(importance) << importance.error().message();
  EXPECT_THAT(row(*importance, 0, 4), ElementsAre(2, 0.5F, 0, 1.5F));
  EXPECT_THAT(row(*importance, 1, 2), ElementsAre(0, 1.5F));
  EXPECT_FALSE(importance->find("blk.0.ffn_up.weight", 0, 3));
  EXPECT_FALSE(importance->find("blk.0.ffn_up.weight", 2, 2));
  const auto other = importance->find("blk.0.ffn_down.weight", 0, 4);
  ASSERT_TRUE(other);
  EXPECT_FALSE(*other);
}

TEST(Importance, IsReadFromGguf) {
  const TemporaryFolder work;
  GgufKeyBytes keys;
  keys.set_u32("imatrix.chunk_count", 2);
  const std::vector<GgufTensor> tensors = {{"blk.0.ffn_up.weight.in_sum2", "F32", {2, 2}},
                                           {"blk.0.ffn_up.weight.counts", "F32", {2, 1}}};
  const auto file = gguf_file(keys, tensors);
  ASSERT_TRUE(file) << file.error().message();
  std::string bytes = file->header;
  bytes.resize(file->bytes, '\0');
  const auto put = [&](std::size_t tensor, const std::vector<float>& numbers) {
    const std::string data = bytes_of_numbers(numbers);
    bytes.replace(file->offsets[tensor], data.size(), data);
  };
  put(0, {6, 3, 9, 9});
  put(1, {3, 0});
  write_file(work / "a.gguf", bytes);
  const auto importance = Importance::read(work / "a.gguf");
  ASSERT_TRUE(importance) << importance.error().message();
  EXPECT_THAT(row(*importance, 0, 2), ElementsAre(2, 1));
  EXPECT_THAT(row(*importance, 1, 2), ElementsAre(1, 1));  // it saw no input
}

TEST(Importance, RefusesCutAndSenselessFiles) {
  const TemporaryFolder work;
  const std::string whole = older("blk.0.ffn_up.weight", 4, {8, 2});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(work / "cut.dat", whole.substr(0, size));
    EXPECT_FALSE(Importance::read(work / "cut.dat")) << size;
  }
  write_file(work / "negative.dat", older("a", 1, {-1}));
  const auto negative = Importance::read(work / "negative.dat");
  ASSERT_FALSE(negative);
  EXPECT_THAT(negative.error().message(), HasSubstr("a: an importance is -1"));
  write_file(work / "length.dat",
             bytes_of_number<std::int32_t>(1) + bytes_of_number<std::int32_t>(-1));
  EXPECT_FALSE(Importance::read(work / "length.dat"));
  EXPECT_FALSE(Importance::read(work / "none.dat"));
}

}  // namespace
}  // namespace requant
