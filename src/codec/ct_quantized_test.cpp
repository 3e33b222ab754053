#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "kernel/dense.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::f32;
using testing_support::i8;
using testing_support::tensor_in;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-quantized"); }

Scheme scheme_of_parts(const WeightParts& parts, const Scheme& declared = {}) {
  const auto scheme = codec().scheme_of(parts, declared);
  EXPECT_TRUE(scheme);
  return scheme.value_or(Scheme{});
}

std::vector<Scheme> schemes() {
  const Activations fixed = Activations::static_tensor(Element::kInt);
  Activations asymmetric = fixed;
  asymmetric.symmetric = false;
  return {
      {.grid = Grid::channel(), .activations = Activations::dynamic_token(Element::kInt)},
      {.grid = Grid::tensor(), .scale_dtype = DType::kBF16, .activations = fixed},
      {.grid = Grid::channel(),
       .scale_dtype = DType::kF16,
       .offset = Offset::kZero,
       .activations = asymmetric},
      {.bits = 4, .grid = Grid::group(4), .scale_dtype = DType::kBF16},
      {.bits = 4, .grid = Grid::group(4), .offset = Offset::kZero},
      {.grid = Grid::block(4, 8)},
      {.element = Element::kE4M3Fn,
       .grid = Grid::tensor(),
       .activations = Activations::static_tensor(Element::kE4M3Fn)},
      {.element = Element::kE4M3Fn,
       .grid = Grid::channel(),
       .activations = Activations::dynamic_token(Element::kE4M3Fn)},
      {.element = Element::kE4M3Fn, .grid = Grid::block(4, 8), .scale_dtype = DType::kBF16},
  };
}

TEST(CtQuantized, RoundTrips) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_round_trip(codec(), scheme, 6, 20);
  }
}

TEST(CtQuantized, RefusesCutAndMangledTensors) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_refusal_when_cut(codec(), scheme, 6, 20);
  }
}

TEST(CtQuantized, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("compressed_tensors");
  const std::pair<const char*, Grid> kCases[] = {{"int8_channel", Grid::channel()},
                                                 {"fp8_channel", Grid::channel()},
                                                 {"fp8_tensor", Grid::tensor()},
                                                 {"fp8_block_4x8_of_6x20", Grid::block(4, 8)},
                                                 {"fp8_block_4x8_of_6x16", Grid::block(4, 8)}};
  for (const auto& [name, grid] : kCases) {
    const Json& entry = *file.find(name);
    const WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                               {"weight_scale", tensor_in(entry, "weight_scale")}};
    const Scheme scheme = scheme_of_parts(parts, {.grid = grid});
    EXPECT_EQ(scheme.grid, grid) << name;
    const auto weight = codec().decode(parts, scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    // The library's arithmetic is in the scale's BF16, of which one product is one rounding.
    const auto dense = kernel::dense_tensor(*weight, DType::kBF16);
    ASSERT_TRUE(dense);
    const auto wide = to_f32(*dense);
    ASSERT_TRUE(wide);
    const auto values = wide->as<float>();
    const std::vector<float> expected = expected_values(entry);
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), expected) << name;
    const auto back = codec().encode(*weight);
    ASSERT_TRUE(back);
    EXPECT_TRUE(same_bits(back->at("weight"), parts.at("weight"))) << name;
    EXPECT_TRUE(same_bits(back->at("weight_scale"), parts.at("weight_scale"))) << name;
  }
}

TEST(CtQuantized, FindsTheGridFromShapesAlone) {
  const auto grid_for = [](const Shape& weight, const Shape& scale, const Grid& declared = {}) {
    return scheme_of_parts({{"weight", {DType::kF8E4M3, weight, {}}},
                            {"weight_scale", {DType::kF32, scale, {}}}},
                           {.grid = declared})
        .grid;
  };
  EXPECT_EQ(grid_for({8, 32}, {}), Grid::tensor());
  EXPECT_EQ(grid_for({8, 32}, {1}), Grid::tensor());
  EXPECT_EQ(grid_for({8, 32}, {8}), Grid::channel());
  EXPECT_EQ(grid_for({8, 32}, {8, 1}), Grid::channel());
  EXPECT_EQ(grid_for({8, 32}, {8, 2}), Grid::group(16));
  EXPECT_EQ(grid_for({576, 384}, {5, 3}), Grid::block(128, 128));
  EXPECT_EQ(grid_for({6, 20}, {2, 3}, Grid::block(4, 8)), Grid::block(4, 8));
  EXPECT_EQ(grid_for({8, 32}, {8, 1}, Grid::group(128)), Grid::group(128));
}

TEST(CtQuantized, ReadsOtherProducersSpellings) {
  const Tensor weight = i8({2, 2}, {1, 2, 3, 4});
  WeightParts parts = {{"weight", weight}, {"weight_scale", f32({2}, {1, 0.5F})}};
  auto decoded = codec().decode(parts, scheme_of_parts(parts));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(values_of(*decoded), (std::vector<float>{1, 2, 1.5F, 2}));
  EXPECT_EQ(codec().encode(*decoded)->at("weight_scale").shape, (Shape{2, 1}));

  parts["weight_scale"] = f32({}, {2});
  decoded = codec().decode(parts, scheme_of_parts(parts));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(codec().encode(*decoded)->at("weight_scale").shape, (Shape{1}));
}

TEST(CtQuantized, HoldsSymmetricFilesToZeroPointsOfZero) {
  WeightParts parts = {{"weight", i8({2, 1}, {1, 2})},
                       {"weight_scale", f32({2, 1}, {1, 1})},
                       {"weight_zero_point", i8({2, 1}, {0, 0})}};
  EXPECT_TRUE(codec().decode(parts, scheme_of_parts(parts)));
  parts["weight_zero_point"] = i8({2, 1}, {0, 3});
  const auto refused = codec().decode(parts, scheme_of_parts(parts));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "'weight_zero_point' is not 0 though the scheme is symmetric");
  const auto decoded = codec().decode(parts, scheme_of_parts(parts, {.offset = Offset::kZero}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(values_of(*decoded), (std::vector<float>{1, -1}));
}

TEST(CtQuantized, RefusesCodesBeyondTheDeclaredBits) {
  const WeightParts parts = {{"weight", i8({1, 2}, {7, 8})}, {"weight_scale", f32({1}, {1})}};
  const auto decoded = codec().decode(parts, scheme_of_parts(parts, {.bits = 4}));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message(), "'weight' holds 8, outside 4 bits");
}

}  // namespace
}  // namespace requant
