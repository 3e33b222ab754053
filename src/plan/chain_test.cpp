#include "plan/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_EQ(parse_target("dense:f64").error().code(), ErrorCode::kUsage);
  EXPECT_EQ(parse_target("lmdeploy:int9").error().code(), ErrorCode::kUsage);
}

}  // namespace
}  // namespace requant
