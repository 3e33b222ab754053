// Against what compressed-tensors made of the same weights on a CPU: the same scales, bit for bit,
// and values that are the same or nearer. (Torch rounds x / scale to BF16 there, and then to a
// code; on a GPU the library divides in F32, as round_to_nearest() does.)
#include "quant/round_to_nearest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "quant/testing.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::f32;
using testing_support::tensor_in;
using testing_support::tensor_of;
using testing_support::values_of;
using testing_support::vectors;

Tensor bf16_of(const Shape& shape, const std::vector<float>& values) {
  std::vector<std::uint16_t> bits(values.size());
  std::ranges::transform(values, bits.begin(), f32_to_bf16);
  return tensor_of(DType::kBF16, shape, bits);
}

Tensor input_of(const Json& entry) {
  const Json& input = *entry.find("input_weight");
  Shape shape;
  for (const Json& extent : input.find("shape")->items()) shape.push_back(*extent.as_int());
  std::vector<float> values;
  for (const Json& value : input.find("values_f32")->items()) {
    values.push_back(static_cast<float>(*value.as_double()));
  }
  return bf16_of(shape, values);
}

Grid grid_of(const Json& args) {
  const std::string_view strategy = *args.find("strategy")->as_string();
  if (strategy == "tensor") return Grid::tensor();
  if (strategy == "channel") return Grid::channel();
  if (strategy == "block") {
    const auto& block = args.find("block_structure")->items();
    return Grid::block(*block[0].as_int(), *block[1].as_int());
  }
  return Grid::group(*args.find("group_size")->as_int());
}

Scheme scheme_of(const Json& entry) {
  const Json& args = *entry.find("weights_args");
  const std::string_view format = *entry.find("format")->as_string();
  const auto bits = static_cast<int>(*args.find("num_bits")->as_int());
  const bool is_float = *args.find("type")->as_string() == "float";
  Scheme scheme;
  scheme.element = !is_float ? Element::kInt : bits == 8 ? Element::kE4M3Fn : Element::kE2M1;
  scheme.bits = bits;
  scheme.grid = grid_of(args);
  scheme.scale_dtype = DType::kBF16;
  if (!*args.find("symmetric")->as_bool()) scheme.offset = Offset::kZero;
  if (format.starts_with("nvfp4")) {
    scheme.scale_dtype = DType::kF8E4M3;
    scheme.outer = OuterScale{.orientation = Orientation::kDivisor};
  }
  return scheme;
}

class AsCompressedTensors : public testing::TestWithParam<const char*> {};

TEST_P(AsCompressedTensors, SameScalesAndValuesAtLeastAsNear) {
  const Json file = vectors("compressed_tensors");
  const Json& entry = *file.find(GetParam());
  const Scheme scheme = scheme_of(entry);
  const auto weight = round_to_nearest(input_of(entry), scheme);
  ASSERT_TRUE(weight) << weight.error().message();

  const Tensor input = input_of(entry);
  const std::vector<float> values = values_of(*weight);
  const std::vector<float> expected = expected_values(entry);
  ASSERT_EQ(values.size(), expected.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = bf16_to_f32(f32_to_bf16(values[i]));
    if (value == expected[i]) continue;
    ++different;
    const float wanted = bf16_to_f32(input.as<std::uint16_t>()[i]);
    // Both values were rounded to the eight bits of BF16.
    const float slack = std::fabs(wanted) * 0x1p-7F;
    EXPECT_LE(std::fabs(value - wanted), std::fabs(expected[i] - wanted) + slack) << "at " << i;
  }
  // The quotients of wider codes have no bits left behind the point in BF16.
  if (scheme.bits < 6) {
    EXPECT_LE(different, values.size() / 8);
  }
  const Tensor scale = tensor_in(entry, "weight_scale");
  ASSERT_EQ(scale.elements(), weight->scales.elements());
  ASSERT_EQ(scale.dtype, weight->scales.dtype);
  EXPECT_TRUE(std::ranges::equal(scale.bytes.span(), weight->scales.bytes.span()));
}

INSTANTIATE_TEST_SUITE_P(
    RoundToNearest, AsCompressedTensors,
    testing::Values("pack_int4_sym_g16", "pack_int4_asym_g16", "pack_int8_sym_g16",
                    "pack_int3_sym_g16", "pack_int3_asym_g16", "pack_int2_sym_g16",
                    "pack_int5_sym_g16", "pack_int6_asym_g16", "pack_int4_asym_channel_5x20",
                    "pack_int3_sym_channel_5x20", "int8_channel", "fp8_channel", "fp8_tensor",
                    "fp8_block_4x8_of_6x20", "fp8_block_4x8_of_6x16", "nvfp4"),
    [](const auto& param) { return std::string(param.param); });

Tensor random_weight(std::int64_t rows, std::int64_t cols) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  for (float& value : values) value = normal(generator);
  return f32({rows, cols}, values);
}

// No code can be moved to a nearer value: the error of each is at most half a step.
TEST(RoundToNearest, EachCodeIsTheNearest) {
  const Tensor weight = random_weight(6, 64);
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = Grid::group(16);
  for (const Offset offset : {Offset::kNone, Offset::kZero}) {
    scheme.offset = offset;
    const auto rounded = round_to_nearest(weight, scheme);
    ASSERT_TRUE(rounded) << rounded.error().message();
    const auto values = values_of(*rounded);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float scale = rounded->scales.as<float>()[i / 16];
      // Asymmetric: the rounding of the zero point may cut off another half at one end.
      const float bound = scale * (offset == Offset::kZero ? 1.01F : 0.51F);
      EXPECT_LE(std::fabs(values[i] - weight.as<float>()[i]), bound) << i;
    }
  }
}

// The exponent is that of the largest magnitude, less the element's own (2 for e2m1, 8 for e4m3fn),
// and one more from 1.75 on: compressed-tensors quantization/utils/mxfp_utils.py.
TEST(RoundToNearest, MicroscalingExponents) {
  struct Case {
    float magnitude;
    int e2m1;
    int e4m3fn;
  };
  for (const Case& c : {Case{1.0F, 125, 119}, Case{1.74F, 125, 119}, Case{1.75F, 126, 120},
                        Case{3.0F, 126, 120}, Case{0.0F, 0, 0}, Case{0x1p-130F, 0, 0}}) {
    std::vector<float> values(32, 0.0F);
    values[3] = -c.magnitude;
    for (const Element element : {Element::kE2M1, Element::kE4M3Fn}) {
      Scheme scheme{.element = element, .bits = info(element).bits, .grid = Grid::group(32)};
      scheme.scale_dtype = DType::kF8E8M0;
      const auto rounded = round_to_nearest(f32({1, 32}, values), scheme);
      ASSERT_TRUE(rounded) << rounded.error().message();
      EXPECT_EQ(rounded->scales.as<std::uint8_t>()[0],
                element == Element::kE2M1 ? c.e2m1 : c.e4m3fn)
          << c.magnitude;
    }
  }
}

// AMD Quark's even_round(): the next power of two where the mantissa would round up to it.
TEST(RoundToNearest, SixBitExponents) {
  struct Case {
    float magnitude;
    int e2m3;
    int e3m2;
  };
  for (const Case& c : {Case{1.0F, 125, 123}, Case{1.87F, 125, 123}, Case{1.875F, 125, 124},
                        Case{1.93F, 125, 124}, Case{1.9375F, 126, 124}}) {
    std::vector<float> values(32, 0.0F);
    values[3] = -c.magnitude;
    for (const Element element : {Element::kE2M3, Element::kE3M2}) {
      Scheme scheme{.element = element, .bits = 6, .grid = Grid::group(32)};
      scheme.scale_dtype = DType::kF8E8M0;
      const auto rounded = round_to_nearest(f32({1, 32}, values), scheme);
      ASSERT_TRUE(rounded) << rounded.error().message();
      EXPECT_EQ(rounded->scales.as<std::uint8_t>()[0], element == Element::kE2M3 ? c.e2m3 : c.e3m2)
          << c.magnitude;
    }
  }
}

TEST(RoundToNearest, FineGrainedScalesAreReciprocals) {
  std::vector<float> values(16, 0.25F);
  values[5] = -3.3F;
  Scheme scheme{.element = Element::kE4M3Fn, .grid = Grid::block(2, 8)};
  const auto rounded = round_to_nearest(f32({2, 8}, values), scheme);
  ASSERT_TRUE(rounded) << rounded.error().message();
  EXPECT_EQ(rounded->scales.as<float>()[0], 1 / (448 / 3.3F));
  EXPECT_EQ(rounded->codes.as<std::uint8_t>()[5], 0xFE);
  scheme.scale_dtype = DType::kF8E8M0;
  const auto powers = round_to_nearest(f32({2, 8}, values), scheme);
  ASSERT_TRUE(powers) << powers.error().message();
  EXPECT_EQ(powers->scales.as<std::uint8_t>()[0], 127 - 7);  // 3.3 / 448 is 2^-7.08
}

TEST(RoundToNearest, WeightsThatShareAnOuterScaleCoverTheLargest) {
  Scheme scheme{.element = Element::kE2M1, .bits = 4, .grid = Grid::group(16)};
  scheme.scale_dtype = DType::kF8E4M3;
  scheme.outer = OuterScale{.orientation = Orientation::kDivisor};
  const Tensor weight = f32({1, 16}, std::vector<float>(16, 1.5F));
  const auto alone = round_to_nearest(weight, scheme);
  const auto shared = round_to_nearest(weight, scheme, {.shared_magnitude = 3});
  ASSERT_TRUE(alone && shared);
  EXPECT_EQ(alone->outer_scales.as<float>()[0], 2688 / 1.5F);
  EXPECT_EQ(shared->outer_scales.as<float>()[0], 2688 / 3.0F);
}

TEST(RoundToNearest, StaticActivationsNeedTheirScale) {
  Scheme scheme{.element = Element::kE4M3Fn, .grid = Grid::channel()};
  scheme.activations = Activations::static_tensor(Element::kE4M3Fn);
  const Tensor weight = random_weight(2, 8);
  EXPECT_FALSE(round_to_nearest(weight, scheme));
  const auto rounded = round_to_nearest(weight, scheme, {.input_scale = f32({1}, {0.5F})});
  ASSERT_TRUE(rounded) << rounded.error().message();
  EXPECT_EQ(rounded->input_scale.as<float>()[0], 0.5F);
}

TEST(RoundToNearest, TheSearchedScaleIsNeverWorse) {
  const Tensor weight = random_weight(8, 128);
  Scheme scheme;
  scheme.bits = 3;
  scheme.grid = Grid::group(32);
  const auto whole = round_to_nearest(weight, scheme);
  const auto searched = round_to_nearest(weight, scheme, {.search_scale = true});
  ASSERT_TRUE(whole && searched);
  EXPECT_LT(*squared_error(weight, *searched), 0.95 * *squared_error(weight, *whole));
}

TEST(RoundToNearest, RaggedEdgesHaveTheirOwnScales) {
  const auto rounded = round_to_nearest(random_weight(5, 20),
                                        {.element = Element::kE4M3Fn, .grid = Grid::block(4, 8)});
  ASSERT_TRUE(rounded) << rounded.error().message();
  EXPECT_EQ(rounded->scales.shape, (Shape{2, 3}));
}

TEST(RoundToNearest, AnAllZeroWeightStaysZero) {
  for (const Offset offset : {Offset::kNone, Offset::kZero}) {
    Scheme scheme;
    scheme.offset = offset;
    scheme.grid = Grid::channel();
    const auto rounded = round_to_nearest(f32({2, 8}, std::vector<float>(16, 0.0F)), scheme);
    ASSERT_TRUE(rounded) << rounded.error().message();
    EXPECT_EQ(values_of(*rounded), std::vector<float>(16, 0.0F));
  }
}

TEST(RoundToNearest, RefusesWhatIsNoNumberAndNamesItsRow) {
  std::vector<float> values(16, 1.0F);
  values[9] = std::numeric_limits<float>::quiet_NaN();
  const auto rounded = round_to_nearest(f32({2, 8}, values), {});
  ASSERT_FALSE(rounded);
  EXPECT_NE(rounded.error().message().find("row 1"), std::string::npos);
}

TEST(RoundToNearest, RefusesSchemesItCannotMake) {
  Scheme scheme;
  scheme.offset = Offset::kMinimum;
  EXPECT_FALSE(round_to_nearest(random_weight(2, 8), scheme));
  EXPECT_FALSE(round_to_nearest(f32({8}, std::vector<float>(8, 1.0F)), Scheme{}));
}

}  // namespace
}  // namespace requant
