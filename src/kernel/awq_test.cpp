#include "kernel/awq.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernel/testing.h"

namespace requant::kernel {
namespace {

using Bytes = std::vector<std::uint8_t>;

class AwqTest : public testing::TestWithParam<const AwqKernel*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  }
};

struct Size {
  std::int64_t inputs;
  std::int64_t outputs;
  std::size_t codes() const { return static_cast<std::size_t>(inputs * outputs); }
};

constexpr Size kSizes[] = {{64, 32},   {64, 128}, {128, 32}, {128, 128}, {96, 40},  {6, 8},
                           {128, 136}, {200, 64}, {256, 8},  {640, 264}, {1024, 16}};

Bytes unpack(const AwqKernel& kernel, const Bytes& words, Size size,
             const AwqOrder& order = kAwqOrder, int flip = 0) {
  Bytes codes(size.codes(), 99);
  kernel.unpack({words.data(), codes.data(), size.inputs, size.outputs, order, flip});
  return codes;
}

Bytes to_rows(const AwqKernel& kernel, const Bytes& words, Size size,
              const AwqOrder& order = kAwqOrder) {
  Bytes rows(size.codes() / 2, 99);
  kernel.to_rows({words.data(), rows.data(), size.inputs, size.outputs, order});
  return rows;
}

Bytes random_words(Size size, std::mt19937& random) {
  Bytes words(size.codes() / 2);
  for (auto& byte : words) byte = static_cast<std::uint8_t>(random());
  return words;
}

std::string text(Size size) {
  return std::to_string(size.inputs) + " x " + std::to_string(size.outputs);
}

// Written out by hand: the nibbles of a word are the outputs 0, 2, 4, 6, 1, 3, 5, 7.
TEST(Awq, InterleavesTheOutputsOfAWord) {
  const Bytes codes = unpack(*awq_kernels().back(), {0x10, 0x32, 0x54, 0x76}, {1, 8});
  EXPECT_EQ(codes, (Bytes{0xF8, 0xFC, 0xF9, 0xFD, 0xFA, 0xFE, 0xFB, 0xFF}));
}

TEST(Awq, JoinsTwoInputsToAByteOfARow) {
  const Bytes words = {0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE};
  EXPECT_EQ(to_rows(*awq_kernels().back(), words, {2, 8}),
            (Bytes{0x80, 0xC4, 0x91, 0xD5, 0xA2, 0xE6, 0xB3, 0xF7}));
}

TEST_P(AwqTest, UnpacksAsTheReferenceDoesAndBack) {
  std::mt19937 random(1);
  for (const Size size : kSizes) {
    for (const AwqOrder* order : {&kAwqOrder, &kPlainOrder}) {
      const Bytes words = random_words(size, random);
      const Bytes codes = unpack(*GetParam(), words, size, *order);
      ASSERT_EQ(codes, unpack(*awq_kernels().back(), words, size, *order)) << text(size);
      ASSERT_EQ(unpack(*GetParam(), words, size, *order, 8),
                unpack(*awq_kernels().back(), words, size, *order, 8));
      Bytes again(words.size(), 99);
      EXPECT_TRUE(
          GetParam()->pack({codes.data(), again.data(), size.inputs, size.outputs, *order}));
      ASSERT_EQ(again, words) << text(size);
    }
  }
}

TEST_P(AwqTest, TurnsIntoRowsAsTheReferenceDoesAndBack) {
  std::mt19937 random(2);
  for (const Size size : kSizes) {
    for (const AwqOrder* order : {&kAwqOrder, &kPlainOrder}) {
      const Bytes words = random_words(size, random);
      const Bytes rows = to_rows(*GetParam(), words, size, *order);
      ASSERT_EQ(rows, to_rows(*awq_kernels().back(), words, size, *order)) << text(size);
      Bytes again(words.size(), 99);
      GetParam()->from_rows({rows.data(), again.data(), size.inputs, size.outputs, *order});
      ASSERT_EQ(again, words) << text(size);
    }
  }
}

// Whole tiles, and their ragged edges.
TEST_P(AwqTest, FindsOneOtherNibbleWithoutWriting) {
  std::mt19937 random(3);
  for (const Size size : kSizes) {
    Bytes words = random_words(size, random);
    Bytes rows = to_rows(*GetParam(), words, size);
    const auto differ = [&] {
      bool rows_do = false;
      bool words_do = false;
      GetParam()->to_rows(
          {words.data(), rows.data(), size.inputs, size.outputs, kAwqOrder, &rows_do});
      GetParam()->from_rows(
          {rows.data(), words.data(), size.inputs, size.outputs, kAwqOrder, &words_do});
      EXPECT_EQ(rows_do, words_do) << text(size);
      return rows_do;
    };
    EXPECT_FALSE(differ()) << text(size);
    for (const std::size_t at :
         {std::size_t{0}, rows.size() / 2, rows.size() - 1, random() % rows.size()}) {
      const Bytes before = words;
      rows[at] ^= 0x10;
      EXPECT_TRUE(differ()) << text(size) << ", byte " << at;
      EXPECT_EQ(words, before);
      rows[at] ^= 0x10;
    }
  }
}

TEST_P(AwqTest, TellsOfOneCodeThatDoesNotFit) {
  constexpr Size kSize = {96, 40};
  Bytes codes(kSize.codes(), 0xF8);
  Bytes words(kSize.codes() / 2);
  const PackAwq problem = {codes.data(), words.data(), kSize.inputs, kSize.outputs};
  EXPECT_TRUE(GetParam()->pack(problem));
  for (const std::size_t at : {std::size_t{0}, std::size_t{2000}, kSize.codes() - 1}) {
    codes[at] = 8;
    EXPECT_FALSE(GetParam()->pack(problem)) << at;
    codes[at] = 7;
  }
}

// Results of more than a MiB are written past the cache.
TEST_P(AwqTest, WritesLargeResultsAsSmallOnes) {
  constexpr std::int64_t kInputs = 2176;
  constexpr std::int64_t kOutputs = 1152;
  constexpr std::int64_t kWords = kInputs * kOutputs / 2;
  using Lines = testing_support::LineBytes;
  Lines words = Lines::random(kWords);
  Lines codes(2 * kWords);
  Lines rows(kWords);
  Lines expected_codes(2 * kWords);
  Lines expected_rows(kWords);
  GetParam()->unpack({words.data(), codes.data(), kInputs, kOutputs});
  awq_kernels().back()->unpack({words.data(), expected_codes.data(), kInputs, kOutputs});
  EXPECT_TRUE(codes == expected_codes);
  GetParam()->to_rows({words.data(), rows.data(), kInputs, kOutputs});
  awq_kernels().back()->to_rows({words.data(), expected_rows.data(), kInputs, kOutputs});
  EXPECT_TRUE(rows == expected_rows);
  Lines again(kWords);
  EXPECT_TRUE(GetParam()->pack({codes.data(), again.data(), kInputs, kOutputs}));
  EXPECT_TRUE(again == words);
  Lines back(kWords);
  GetParam()->from_rows({rows.data(), back.data(), kInputs, kOutputs});
  EXPECT_TRUE(back == words);
}

INSTANTIATE_TEST_SUITE_P(Kernels, AwqTest,
                         testing::ValuesIn(testing_support::tested(awq_kernels())),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
