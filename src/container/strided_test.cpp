#include "container/strided.h"

#include <gtest/gtest.h>

#include <limits>

namespace requant {
namespace {

constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();

// Bytes that count up from 0.
class Counting final : public ByteSource {
 public:
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(offset + i);
    return {};
  }
};

Result<Tensor> read(const Shape& shape, std::vector<std::int64_t> strides) {
  TensorInfo info;
  info.dtype = DType::kU8;
  info.shape = shape;
  info.special =
      std::make_shared<TensorInfo::Special>(TensorInfo::Special{.strides = std::move(strides)});
  return read_strided(File::over(std::make_shared<Counting>(), 64, "counting"), info);
}

std::vector<int> values(const Result<Tensor>& tensor) {
  std::vector<int> values;
  if (!tensor) return values;
  for (const std::byte byte : tensor->bytes.span()) values.push_back(static_cast<int>(byte));
  return values;
}

TEST(Strided, PicksElementsByTheirStrides) {
  EXPECT_EQ(values(read({2, 3}, {1, 2})), (std::vector<int>{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(values(read({2, 2, 2}, {0, 10, 1})), (std::vector<int>{0, 1, 10, 11, 0, 1, 10, 11}));
}

TEST(Strided, TheStrideOfOneElementIsAnything) {
  EXPECT_EQ(values(read({2, 1, 2}, {5, kHuge, 1})), (std::vector<int>{0, 1, 5, 6}));
  EXPECT_EQ(values(read({3, 1}, {2, kHuge})), (std::vector<int>{0, 2, 4}));
}

TEST(Strided, AnExtentThatOverflowsIsRefused) {
  EXPECT_FALSE(read({2, 3, 3}, {kHuge, kHuge, 1}));
  EXPECT_FALSE(read({2}, {-1}));
}

}  // namespace
}  // namespace requant
