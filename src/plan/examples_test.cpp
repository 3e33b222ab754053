#include "plan/examples.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

Weight weight(std::string module, std::int64_t rows, int bits) {
  Weight weight;
  weight.module = std::move(module);
  weight.rows = rows;
  weight.cols = 64;
  weight.scheme.bits = bits;
  return weight;
}

TEST(Examples, AreOneOfEachName) {
  Examples examples;
  EXPECT_TRUE(examples.is_new(weight("model.layers.0.mlp.experts.0.up_proj", 8, 4)));
  EXPECT_FALSE(examples.is_new(weight("model.layers.0.mlp.experts.1.up_proj", 8, 4)));
  EXPECT_FALSE(examples.is_new(weight("model.layers.10.mlp.experts.300.up_proj", 8, 4)));
  EXPECT_TRUE(examples.is_new(weight("model.layers.0.mlp.experts.0.down_proj", 8, 4)));
}

TEST(Examples, AreOneOfEachSchemeAndSize) {
  Examples examples;
  EXPECT_TRUE(examples.is_new(weight("model.layers.0.mlp.up_proj", 8, 4)));
  EXPECT_TRUE(examples.is_new(weight("model.layers.1.mlp.up_proj", 8, 8)));
  EXPECT_TRUE(examples.is_new(weight("model.layers.2.mlp.up_proj", 16, 4)));
  EXPECT_FALSE(examples.is_new(weight("model.layers.3.mlp.up_proj", 8, 8)));
}

}  // namespace
}  // namespace requant
