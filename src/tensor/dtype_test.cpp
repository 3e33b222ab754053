#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include "tensor/tensor.h"

namespace requant {
namespace {

TEST(DType, NamesAreExact) {
  for (int i = 0; i < static_cast<int>(DType::kCount); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_named(name_of(dtype)), dtype);
  }
  EXPECT_EQ(dtype_named("f32"), std::nullopt);
  EXPECT_EQ(dtype_named("F128"), std::nullopt);
  EXPECT_EQ(dtype_of_torch("torch.bfloat16"), DType::kBF16);
  EXPECT_EQ(dtype_of_torch("float3"), std::nullopt);
}

TEST(DType, SizesNeverWrap) {
  EXPECT_EQ(byte_size(DType::kF4, 3), std::nullopt);
  EXPECT_EQ(byte_size(DType::kF4, 4), 2u);
  EXPECT_EQ(byte_size(DType::kF6E2M3, 4), 3u);
  EXPECT_EQ(byte_size(DType::kF64, std::uint64_t{1} << 61), std::nullopt);
  EXPECT_EQ(byte_size(DType::kU8, std::uint64_t{1} << 61), std::nullopt);
}

TEST(DType, ElementCountMultipliesLeftToRight) {
  const std::int64_t big = std::int64_t{1} << 33;
  EXPECT_EQ(element_count(Shape{}), 1u);
  EXPECT_EQ(element_count(Shape{3, 0}), 0u);
  EXPECT_EQ(element_count(Shape{0, big, big}), 0u);
  EXPECT_EQ(element_count(Shape{big, big, 0}), std::nullopt);
  EXPECT_EQ(element_count(Shape{-1, 2}), std::nullopt);
}

TEST(Tensor, RefusesBytesThatDoNotFitTheShape) {
  const auto bytes = Bytes::copy_of(bytes_of("12345678"));
  ASSERT_TRUE(bytes);
  EXPECT_TRUE(Tensor::make(DType::kF32, {2}, *bytes));
  EXPECT_FALSE(Tensor::make(DType::kF32, {3}, *bytes));
}

}  // namespace
}  // namespace requant
