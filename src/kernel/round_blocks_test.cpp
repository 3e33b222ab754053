#include "kernel/round_blocks.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace requant::kernel {
namespace {

constexpr std::size_t kCount = 256 * 3;

// What one row gives; large enough for every type.
struct Row {
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(kCount);
  std::vector<std::uint8_t> scales = std::vector<std::uint8_t>(kCount / 16);
  std::vector<std::uint8_t> minima = std::vector<std::uint8_t>(kCount / 16);
  std::vector<std::uint8_t> outer = std::vector<std::uint8_t>(kCount / 128);
  std::vector<std::uint8_t> outer_minima = std::vector<std::uint8_t>(kCount / 128);

  friend bool operator==(const Row&, const Row&) = default;
};

Row rounded(const RoundBlocksKernel& kernel, BlockType type, const std::vector<float>& values,
            const std::vector<float>& importance) {
  Row row;
  kernel.run({.to = type,
              .values = values.data(),
              .importance = importance.empty() ? nullptr : importance.data(),
              .count = values.size(),
              .codes = row.codes.data(),
              .scales = row.scales.data(),
              .minima = row.minima.data(),
              .outer = row.outer.data(),
              .outer_minima = row.outer_minima.data()});
  return row;
}

// Rows that are ordinary, and such as have groups of one value, none, tiny and huge ones, values
// halfway between codes, and zeros of both signs.
std::vector<std::vector<float>> rows() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<std::vector<float>> all;
  for (int kind = 0; kind < 9; ++kind) {
    std::vector<float> row(kCount);
    for (float& value : row) value = normal(random);
    for (std::size_t i = 0; i < kCount; ++i) {
      if (kind == 1) row[i] = i < 256 ? 0.0F : i % 64 < 32 ? 0.5F : -0.25F;
      if (kind == 2) row[i] *= 1e-20F;
      if (kind == 3) row[i] *= 1e-38F;
      if (kind == 4 && i % 50 == 0) row[i] = 30;
      if (kind == 5) row[i] = 1 + row[i] * 1e-6F;
      if (kind == 6) row[i] = -1 - row[i] * row[i];
      if (kind == 7) row[i] = static_cast<float>(static_cast<int>(random() % 31) - 15) * 0.5F;
      if (kind == 8) row[i] = i % 3 == 0 ? -0.0F : i % 3 == 1 ? 0.0F : row[i] * row[i];
    }
    all.push_back(std::move(row));
  }
  return all;
}

std::vector<float> importance() {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(0, 10);
  std::vector<float> all(kCount);
  for (std::size_t i = 0; i < kCount; ++i) all[i] = i % 300 < 40 ? 0.0F : uniform(random);
  return all;
}

// The reference is held to ggml's own bytes in codec/gguf_test.cpp.
TEST(RoundBlocks, IsTheSameByEveryKernel) {
  const RoundBlocksKernel& reference = *round_blocks_kernels().back();
  for (const RoundBlocksKernel* kernel : round_blocks_kernels()) {
    if (!kernel->supports()) continue;
    for (int type = 0; type <= static_cast<int>(BlockType::kMXFP4); ++type) {
      const auto to = static_cast<BlockType>(type);
      for (const auto& values : rows()) {
        EXPECT_EQ(rounded(*kernel, to, values, {}), rounded(reference, to, values, {}))
            << kernel->name << ", type " << type;
        EXPECT_EQ(rounded(*kernel, to, values, importance()),
                  rounded(reference, to, values, importance()))
            << kernel->name << ", type " << type;
      }
    }
  }
}

// Blocks of 32 that do not fill the lanes.
TEST(RoundBlocks, TakesAnyNumberOfBlocks) {
  std::vector<float> values = rows().front();
  const Row all = rounded(round_blocks_kernel(), BlockType::kIQ4NL, values, {});
  for (std::size_t blocks = kCount / 32; blocks > 0; --blocks) {
    values.resize(blocks * 32);
    const Row some = rounded(round_blocks_kernel(), BlockType::kIQ4NL, values, {});
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(some.codes[i], all.codes[i]);
    for (std::size_t i = values.size(); i < kCount; ++i) ASSERT_EQ(some.codes[i], 0);
    for (std::size_t i = 0; i < blocks * 2; ++i) ASSERT_EQ(some.scales[i], all.scales[i]);
  }
}

}  // namespace
}  // namespace requant::kernel
