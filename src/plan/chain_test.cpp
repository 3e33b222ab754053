#include "plan/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quant/testing.h"

namespace requant {
namespace {

using testing::HasSubstr;

Scheme channel_scheme(Element element) {
  Scheme scheme;
  scheme.element = element;
  scheme.grid = Grid::channel();
  scheme.activations = Activations::dynamic_token(element);
  return scheme;
}

Target target_of(std::string_view text) {
  auto target = parse_target(text);
  EXPECT_TRUE(target) << target.error().message();
  return *std::move(target);
}

TEST(Chain, ChangesNothingWhereTheDialectHoldsTheScheme) {
  const auto chain = find_chain(channel_scheme(Element::kE4M3Fn), target_of("compressed-tensors"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->losses.empty());
  EXPECT_EQ(chain->result, channel_scheme(Element::kE4M3Fn));
}

TEST(Chain, TakesE5m2ToE4m3fnAsCodeRoundingAndOtherActivations) {
  const auto chain = find_chain(channel_scheme(Element::kE5M2), target_of("compressed-tensors"));
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->losses.list(),
            (std::vector<Loss>{Loss::kCodeRounding, Loss::kActivationsChanged}));
  EXPECT_EQ(chain->result, channel_scheme(Element::kE4M3Fn));
}

TEST(Chain, RefinesATensorScaleToChannelsWithoutLoss) {
  Scheme scheme = channel_scheme(Element::kInt);
  scheme.grid = Grid::tensor();
  const auto chain = find_chain(scheme, target_of("lmdeploy"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->losses.empty());
  EXPECT_EQ(chain->result.grid, Grid::channel());
}

TEST(Chain, WidensScalesWithoutLoss) {
  Scheme scheme = channel_scheme(Element::kInt);
  scheme.scale_dtype = DType::kBF16;
  const auto chain = find_chain(scheme, target_of("lmdeploy"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->losses.empty());
  EXPECT_EQ(chain->result.scale_dtype, DType::kF32);
}

TEST(Chain, FindsNoneFromFloatsToIntegers) {
  EXPECT_FALSE(find_chain(channel_scheme(Element::kE4M3Fn), target_of("lmdeploy:int8")));
}

TEST(Chain, LeavesToTheNumbersWhetherTheRowsOfFp8HaveOneScale) {
  const auto chain = find_chain(channel_scheme(Element::kE4M3Fn), target_of("fp8"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->losses.empty());
  EXPECT_EQ(chain->possible.list(), std::vector<Loss>{Loss::kRequantise});
  EXPECT_EQ(chain->result.grid, Grid::tensor());
}

TEST(Chain, TakesTheOuterScaleIntoTheOthersWhereTheTargetHasNone) {
  Scheme scheme = channel_scheme(Element::kInt);
  scheme.outer = OuterScale{.orientation = Orientation::kDivisor};
  const auto chain = find_chain(scheme, target_of("lmdeploy"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->folds_outer);
  EXPECT_TRUE(chain->losses.empty());
  EXPECT_EQ(chain->possible.list(), std::vector<Loss>{Loss::kScaleRounding});
}

TEST(Chain, TurnsBothOuterScalesOfNvfp4) {
  Scheme scheme{.element = Element::kE2M1,
                .bits = 4,
                .grid = Grid::group(16),
                .scale_dtype = DType::kF8E4M3,
                .outer = OuterScale{.orientation = Orientation::kDivisor}};
  scheme.activations = {.kind = ActivationKind::kDynamic,
                        .element = Element::kE2M1,
                        .bits = 4,
                        .granularity = Granularity::kGroup,
                        .group = 16,
                        .orientation = Orientation::kDivisor};
  const auto chain = find_chain(scheme, target_of("modelopt"));
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->orientation, Orientation::kMultiplier);
  EXPECT_EQ(chain->input_orientation, Orientation::kMultiplier);
  EXPECT_TRUE(chain->losses.empty());
  EXPECT_EQ(chain->possible.list(), std::vector<Loss>{Loss::kScaleRounding});
}

TEST(Chain, TakesZeroPointsIntoWiderCodesWithoutLoss) {
  Scheme scheme{.bits = 4, .grid = Grid::group(128), .offset = Offset::kZero};
  const auto wider = find_chain(scheme, target_of("compressed-tensors:w8a16-g128-sym"));
  ASSERT_TRUE(wider);
  EXPECT_TRUE(wider->drops_zeros);
  EXPECT_TRUE(wider->possible.empty());
  const auto same = find_chain(scheme, target_of("compressed-tensors:w4a16-g128-sym"));
  ASSERT_TRUE(same);
  EXPECT_EQ(same->possible.list(), std::vector<Loss>{Loss::kRequantise});
}

TEST(Chain, GivesMxfp4AnOuterScaleForNvfp4) {
  const Scheme scheme{
      .element = Element::kE2M1, .bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF8E8M0};
  for (const char* target : {"compressed-tensors:nvfp4", "modelopt:nvfp4"}) {
    const auto chain = find_chain(scheme, target_of(target));
    ASSERT_TRUE(chain) << target;
    EXPECT_TRUE(chain->regroups);
    EXPECT_TRUE(chain->losses.empty());
    EXPECT_EQ(chain->possible.list(), std::vector<Loss>{Loss::kScaleRounding});
  }
}

TEST(Chain, TakesE4m3fnToFnuzExactly) {
  Scheme scheme = channel_scheme(Element::kE4M3Fn);
  scheme.grid = Grid::tensor();
  const auto chain = find_chain(scheme, target_of("fp8:e4m3fnuz"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->losses.empty() && chain->possible.empty());
  const auto back = find_chain(chain->result, target_of("fp8:e4m3fn"));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->possible.list(), std::vector<Loss>{Loss::kCodeRounding});
}

TEST(Chain, RepeatsTheRowsOfBlocksOf32ForMxfp8AndBackOnlyWhereTheyAgree) {
  Scheme scheme = channel_scheme(Element::kE4M3Fn);
  scheme.grid = Grid::block(32, 32);
  scheme.scale_dtype = DType::kF8E8M0;
  scheme.activations.granularity = Granularity::kGroup;
  scheme.activations.group = 32;
  const auto chain = find_chain(scheme, target_of("compressed-tensors:mxfp8"));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->losses.empty() && chain->possible.empty());
  const auto back = find_chain(chain->result, target_of("fp8"));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->result.grid, Grid::block(32, 32));
  EXPECT_EQ(back->possible.list(), std::vector<Loss>{Loss::kRequantise});
  EXPECT_TRUE(back->losses.empty());
}

// 96 columns hold no group of 64.
TEST(Chain, TakesOnlyGroupsThatDivideTheColumns) {
  Scheme scheme{.bits = 4, .grid = Grid::group(32)};
  EXPECT_TRUE(find_chain(scheme, target_of("compressed-tensors:w4a16-g64"), 128));
  EXPECT_FALSE(find_chain(scheme, target_of("compressed-tensors:w4a16-g64"), 96));
}

TEST(LossSet, ParsesListsAndAll) {
  const auto set = LossSet::parse({"code-rounding,scale-rounding", "dequantise"});
  ASSERT_TRUE(set);
  EXPECT_EQ(set->list(),
            (std::vector<Loss>{Loss::kCodeRounding, Loss::kScaleRounding, Loss::kDequantise}));
  EXPECT_EQ(*LossSet::parse({"all"}), LossSet::all());
}

TEST(LossSet, NamesTheLossesWhereOneIsUnknown) {
  const auto set = LossSet::parse({"rounding"});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code(), ErrorCode::kUsage);
  EXPECT_THAT(set.error().message(), HasSubstr("code-rounding"));
}

TEST(LossSet, OrdersByTheHeaviestLoss) {
  const LossSet light = LossSet().add(Loss::kCodeRounding).add(Loss::kScaleRounding);
  EXPECT_LT(LossSet(), light);
  EXPECT_LT(light, LossSet().add(Loss::kDequantise));
}

TEST(Target, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(parse_target("nonsense").error().code(), ErrorCode::kUsage);
  EXPECT_EQ(parse_target("gptq@v3").error().code(), ErrorCode::kUsage);
  EXPECT_EQ(parse_target("lmdeploy@v2").error().code(), ErrorCode::kUsage);
  EXPECT_EQ(parse_target("dense:f64").error().code(), ErrorCode::kUsage);
  EXPECT_EQ(parse_target("lmdeploy:int9").error().code(), ErrorCode::kUsage);
}

TEST(Chain, TakesFewerBitsOnlyWhereTheyWereNamedAndCodesFit) {
  Scheme wide = {.bits = 8, .grid = Grid::group(32), .scale_dtype = DType::kF16};
  Target named = target_of("compressed-tensors:w4a16-g32");
  const auto chain = find_chain(wide, named);
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->bits, 4);
  EXPECT_EQ(chain->losses, LossSet());
  EXPECT_TRUE(chain->possible.has(Loss::kRequantise));
  named.keeps_bits = true;
  EXPECT_FALSE(find_chain(wide, named));
  EXPECT_FALSE(find_chain(wide, target_of("awq")));

  QuantizedWeight weight = testing_support::random_weight(wide, 8, 64, 1);
  const auto wide_codes = apply(*chain, weight);
  ASSERT_FALSE(wide_codes);
  EXPECT_NE(wide_codes.error().message().find("a code does not fit 4 bits"), std::string::npos);
  wide.bits = 4;
  weight = testing_support::random_weight(wide, 8, 64, 1);
  weight.scheme.bits = 8;
  const auto narrowed = apply(*chain, weight);
  ASSERT_TRUE(narrowed) << narrowed.error().message();
  EXPECT_EQ(narrowed->weight.scheme.bits, 4);
  EXPECT_TRUE(narrowed->difference.equal);
}

TEST(Chain, GivesAStaticInputScaleTheNamedDtype) {
  Scheme scheme = {.element = Element::kE4M3Fn, .scale_dtype = DType::kF32};
  scheme.activations = Activations::static_tensor(Element::kE4M3Fn);
  const auto chain = find_chain(scheme, target_of("compressed-tensors:fp8-tensor-static-bf16"));
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->input_dtype, DType::kBF16);
  EXPECT_TRUE(chain->possible.has(Loss::kScaleRounding));
  QuantizedWeight weight = testing_support::random_weight(scheme, 8, 64, 1);
  weight.scales = testing_support::f32({1, 1}, {0.5F});
  weight.input_scale = testing_support::f32({1}, {1.00390625F});
  EXPECT_FALSE(apply(*chain, weight));
  weight.input_scale = testing_support::f32({1}, {1.0078125F});
  const auto narrowed = apply(*chain, weight);
  ASSERT_TRUE(narrowed) << narrowed.error().message();
  EXPECT_EQ(narrowed->weight.input_scale.dtype, DType::kBF16);
}

}  // namespace
}  // namespace requant
