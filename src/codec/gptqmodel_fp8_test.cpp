#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;

const Codec& codec() { return *find_codec("gptqmodel-fp8"); }

const Scheme kInverse = {.grid = Grid::channel(),
                         .outer = OuterScale{.orientation = Orientation::kDivisor}};

WeightParts parts() {
  return {{"weight", testing_support::tensor_of<std::uint8_t>(DType::kF8E4M3, {2, 2},
                                                              {0x38, 0xC0, 0x40, 0x48})},
          {"weight_scale_inv", f32({2}, {4, 1638.4F})}};
}

TEST(GptqmodelFp8, DividesByItsInverseScale) {
  const auto scheme = codec().scheme_of(parts(), kInverse);
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts(), *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight),
            (std::vector<float>{0.25F, -0.5F, 2 / 1638.4F, 4 / 1638.4F}));
}

TEST(GptqmodelFp8, NeedsTheConfigsWord) {
  EXPECT_FALSE(codec().scheme_of(parts(), {.grid = Grid::channel()}));
  EXPECT_TRUE(find_codec("fp8-scale-inv")->scheme_of(parts(), {.grid = Grid::channel()}));
}

TEST(GptqmodelFp8, RefusesCutAndMangledTensors) {
  const auto scheme = codec().scheme_of(parts(), kInverse);
  ASSERT_TRUE(scheme);
  for (const char* name : {"weight", "weight_scale_inv"}) {
    WeightParts broken = parts();
    for (std::size_t size = 0; size < parts()[name].bytes.size(); ++size) {
      broken[name].bytes = *Bytes::copy_of(parts()[name].bytes.span().first(size));
      EXPECT_FALSE(codec().decode(broken, *scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape : {Shape{}, Shape{-1, 4}, Shape{3}, Shape{std::int64_t{1} << 62, 4}}) {
      broken = parts();
      broken[name].shape = shape;
      EXPECT_FALSE(codec().decode(broken, *scheme)) << name << " " << to_string(shape);
      codec().scheme_of(broken, kInverse);  // must not crash
    }
    broken.erase(name);
    EXPECT_FALSE(codec().decode(broken, *scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
