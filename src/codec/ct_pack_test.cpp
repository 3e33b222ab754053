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
using testing_support::tensor_of;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-pack"); }

Tensor shape_of(std::int64_t rows, std::int64_t cols) {
  return tensor_of<std::int64_t>(DType::kI64, {2}, {rows, cols});
}

Tensor words(Shape shape, const std::vector<std::uint32_t>& values) {
  return tensor_of<std::uint32_t>(DType::kI32, std::move(shape), values);
}

WeightParts parts_in(const Json& entry) {
  WeightParts parts;
  for (const auto& [name, tensor] : entry.find("tensors")->members()) {
    parts.emplace(name, tensor_in(tensor));
  }
  return parts;
}

TEST(CtPack, RoundTripsEveryWidth) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (const Grid& grid : {Grid::channel(), Grid::tensor(), Grid::group(4)}) {
      const Scheme scheme = {.bits = bits, .grid = grid, .scale_dtype = DType::kBF16};
      testing_support::expect_round_trip(codec(), scheme, 6, 20);
    }
  }
}

TEST(CtPack, RoundTripsZeroPointsOrdersAndActivations) {
  Activations fixed = Activations::static_tensor(Element::kInt);
  fixed.symmetric = false;
  const std::vector<Scheme> schemes = {
      {.bits = 4, .grid = Grid::group(4), .scale_dtype = DType::kF16, .offset = Offset::kZero},
      {.bits = 5, .grid = Grid::channel(), .offset = Offset::kZero},
      {.bits = 8, .grid = Grid::tensor(), .offset = Offset::kZero},
      {.bits = 4, .grid = Grid::group(4), .scale_dtype = DType::kBF16, .permuted = true},
      {.bits = 4, .grid = Grid::group(4), .activations = Activations::dynamic_token(Element::kInt)},
      {.bits = 8, .grid = Grid::channel(), .activations = fixed}};
  for (const Scheme& scheme : schemes) {
    testing_support::expect_round_trip(codec(), scheme, 6, 20);
    testing_support::expect_refusal_when_cut(codec(), scheme, 6, 20);
  }
}

TEST(CtPack, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("compressed_tensors");
  int read = 0;
  for (const auto& [name, entry] : file.members()) {
    if (!name.starts_with("pack_")) continue;
    SCOPED_TRACE(name);
    const WeightParts parts = parts_in(entry);
    const Json& args = *entry.find("weights_args");
    Scheme declared;
    declared.bits = static_cast<int>(*args.find("num_bits")->as_int());
    if (!*args.find("symmetric")->as_bool()) declared.offset = Offset::kZero;
    if (const auto group = args.find("group_size")->as_int()) declared.grid = Grid::group(*group);
    const auto scheme = codec().scheme_of(parts, declared);
    ASSERT_TRUE(scheme);
    EXPECT_EQ(scheme->bits, declared.bits);
    EXPECT_EQ(scheme->permuted, parts.contains("weight_g_idx"));
    const auto weight = codec().decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    // The library's arithmetic is in the scale's BF16, of which one product is one rounding.
    const auto wide = to_f32(*kernel::dense_tensor(*weight, DType::kBF16));
    ASSERT_TRUE(wide);
    const auto values = wide->as<float>();
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), expected_values(entry));
    const auto back = codec().encode(*weight);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(back->size(), parts.size());
    for (const auto& [suffix, tensor] : parts) {
      EXPECT_TRUE(same_bits(back->at(suffix), tensor)) << suffix;
    }
    ++read;
  }
  EXPECT_EQ(read, 11);
}

TEST(CtPack, FindsTheBitsFromTheShapeOfTheWeight) {
  const WeightParts parts = {{"weight_packed", words({1, 4}, {0, 0, 0, 0})},
                             {"weight_scale", f32({1, 2}, {1, 1})},
                             {"weight_shape", shape_of(1, 32)}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->bits, 4);
  EXPECT_EQ(scheme->grid, Grid::group(16));
}

TEST(CtPack, BelievesTheWordsOfASmallRowRatherThanTheGroup) {
  // 24 inputs in three words: one group of them, though the config says 128.
  const WeightParts parts = {{"weight_packed", {DType::kI32, {8, 3}, {}}},
                             {"weight_scale", {DType::kBF16, {8, 1}, {}}}};
  const auto scheme = codec().scheme_of(parts, {.bits = 4, .grid = Grid::group(128)});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->grid, Grid::group(128));
  EXPECT_FALSE(codec().scheme_of(parts, {.bits = 4, .grid = Grid::block(4, 4)})->grid.is_group());
}

TEST(CtPack, TakesAnOrderOfMinusOneForNone) {
  Scheme scheme = {.bits = 4, .grid = Grid::group(4), .permuted = true};
  WeightParts parts = *codec().encode(testing_support::random_weight(scheme, 2, 8));
  parts["weight_g_idx"] =
      tensor_of<std::int32_t>(DType::kI32, {8}, std::vector<std::int32_t>(8, -1));
  const auto weight = codec().decode(parts, scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto order = weight->permutation.as<std::int32_t>();
  EXPECT_EQ(std::vector<std::int32_t>(order.begin(), order.end()),
            (std::vector<std::int32_t>{0, 0, 0, 0, 1, 1, 1, 1}));
  parts["weight_g_idx"] = tensor_of<std::int32_t>(DType::kI32, {8}, {0, 0, 0, 0, 1, 1, 1, 2});
  const auto refused = codec().decode(parts, scheme);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "'weight_g_idx' holds 2, and there are 2 groups");
}

TEST(CtPack, HoldsSymmetricFilesToZeroPointsOfZero) {
  const Scheme scheme = {.bits = 4, .grid = Grid::channel()};
  WeightParts parts = {{"weight_packed", words({1, 1}, {0x76543210})},
                       {"weight_scale", f32({1, 1}, {1})},
                       {"weight_shape", shape_of(1, 8)},
                       {"weight_zero_point", words({1, 1}, {8})}};
  const auto weight = codec().decode(parts, scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{-8, -7, -6, -5, -4, -3, -2, -1}));
  parts["weight_zero_point"] = i8({1, 1}, {0});
  EXPECT_TRUE(codec().decode(parts, scheme));
  parts["weight_zero_point"] = words({1, 1}, {9});
  EXPECT_FALSE(codec().decode(parts, scheme));
}

TEST(CtPack, RefusesSizesThatTheWordsDoNotHold) {
  const Scheme scheme = {.bits = 4, .grid = Grid::channel()};
  WeightParts parts = {{"weight_packed", words({1, 1}, {0})},
                       {"weight_scale", f32({1, 1}, {1})},
                       {"weight_shape", shape_of(1, 9)}};
  EXPECT_FALSE(codec().decode(parts, scheme));
  for (const std::int64_t cols : {std::int64_t{-8}, std::int64_t{0}, std::int64_t{1} << 62}) {
    parts["weight_shape"] = shape_of(1, cols);
    EXPECT_FALSE(codec().decode(parts, scheme)) << cols;
    EXPECT_FALSE(codec().scheme_of(parts, scheme)) << cols;
  }
}

TEST(CtPack, RefusesGroupsThatDoNotDivideTheRow) {
  const Scheme scheme = {.bits = 4, .grid = Grid::group(8)};
  const auto specs = codec().layout(scheme, 4, 20);
  ASSERT_FALSE(specs);
  EXPECT_EQ(specs.error().message(), "ct-pack needs whole groups of 8, not 20");
}

}  // namespace
}  // namespace requant
