#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("quark"); }

std::string config(std::string_view weight, std::string_view inputs = "null",
                   std::string_view order = "reorder") {
  return R"({"quantization_config":{"quant_method":"quark","exclude":["lm_head"],
             "export":{"pack_method":")" +
         std::string(order) + R"("},"global_quant_config":{"weight":)" + std::string(weight) +
         R"(,"input_tensors":)" + std::string(inputs) + "}}}";
}

constexpr std::string_view kInt4 =
    R"({"dtype":"int4","qscheme":"per_group","group_size":32,"symmetric":true})";
constexpr std::string_view kUint4 =
    R"({"dtype":"uint4","qscheme":"per_group","group_size":32,"symmetric":false})";

std::vector<FakeCheckpoint::Entry> words() {
  return {{"a.weight", DType::kI32, {64, 2}},
          {"a.weight_scale", DType::kBF16, {2, 16}},
          {"a.weight_zero_point", DType::kI32, {2, 2}}};
}

Result<Resolution> resolve(const std::string& text,
                           const std::vector<FakeCheckpoint::Entry>& entries) {
  const FakeCheckpoint fake(text, entries);
  return dialect().resolve(fake.facts());
}

std::string scheme_in(const std::string& text, const std::vector<FakeCheckpoint::Entry>& entries) {
  const auto resolution = resolve(text, entries);
  return resolution ? describe(resolution->weights.at(0).scheme) : resolution.error().message();
}

TEST(QuarkDialect, IsToldByWordsOfCodesBesideWeightScale) {
  const FakeCheckpoint fake("{}", words());
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  EXPECT_EQ(resolve("{}", words()).error().code(), ErrorCode::kRefused);
}

TEST(QuarkDialect, ResolvesBothSignsAndOrders) {
  EXPECT_EQ(scheme_in(config(kInt4), words()), "int4 per group 32, scale BF16");
  EXPECT_EQ(scheme_in(config(kUint4), words()), "int4 per group 32, scale BF16, zero points");
  const auto plain = resolve(config(kInt4, "null", "order"), words());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->weights[0].codec->name, "quark-int4-plain");
  EXPECT_EQ(plain->weights[0].rows, 16);
  EXPECT_EQ(plain->weights[0].cols, 64);
}

TEST(QuarkDialect, ResolvesFloats) {
  EXPECT_EQ(
      scheme_in(config(R"({"dtype":"fp8_e4m3","qscheme":"per_channel"})",
                       R"({"dtype":"fp8_e4m3","qscheme":"per_channel","is_dynamic":true})"),
                {{"a.weight", DType::kF8E4M3, {8, 4}}, {"a.weight_scale", DType::kBF16, {8}}}),
      "e4m3fn per channel, scale BF16, activations e4m3fn dynamic per token");
  EXPECT_EQ(scheme_in(config(R"({"dtype":"fp6_e3m2","qscheme":"per_group","group_size":32})"),
                      {{"a.weight", DType::kU8, {8, 48}}, {"a.weight_scale", DType::kU8, {8, 2}}}),
            "e3m2 per group 32, scale F8_E8M0");
  const auto four =
      resolve(config(R"({"dtype":"fp4","qscheme":"per_group","group_size":32})"),
              {{"a.weight", DType::kU8, {8, 32}}, {"a.weight_scale", DType::kU8, {8, 2}}});
  ASSERT_TRUE(four);
  EXPECT_EQ(four->weights[0].cols, 64);
}

TEST(QuarkDialect, WritesTheCommonestSchemeForAllAndOthersByName) {
  Scheme four{.bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kBF16};
  Scheme eight{.element = Element::kE4M3Fn, .grid = Grid::channel(), .scale_dtype = DType::kBF16};
  eight.activations = Activations::dynamic_token(Element::kE4M3Fn);
  const std::vector<TargetWeight> quantized = {{"a", {}, four}, {"b", {}, eight}, {"c", {}, four}};
  const std::vector<TargetWeight> head = {{"lm_head", {}, Scheme::dense(DType::kBF16)}};
  const Json config = Json::object();
  const auto block = dialect().quantization_config({.config = config,
                                                    .architecture = Architecture::of(config),
                                                    .quantized = quantized,
                                                    .unquantized = head});
  ASSERT_TRUE(block) << block.error().message();
  EXPECT_EQ(block->at({"global_quant_config", "weight", "dtype"})->as_string(), "int4");
  EXPECT_EQ(block->find("layer_quant_config")->members().size(), 1U);
  EXPECT_EQ(block->at({"layer_quant_config", "b", "input_tensors", "is_dynamic"})->as_bool(), true);
  EXPECT_EQ(block->find("exclude")->dump(), R"(["lm_head"])");
}

TEST(QuarkDialect, HoldsWhatItCanName) {
  Scheme scheme{.bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kBF16};
  EXPECT_EQ(dialect().codec_for(scheme)->name, "quark-int4");
  scheme.bits = 3;
  EXPECT_EQ(dialect().codec_for(scheme), nullptr);
  Scheme block{.element = Element::kE4M3Fn, .grid = Grid::block(128, 128)};
  EXPECT_EQ(dialect().codec_for(block), nullptr);
}

TEST(QuarkDialect, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(resolve(config(R"({"dtype":"int3"})"), words()).error().code(), ErrorCode::kRefused);
  EXPECT_EQ(resolve(config(R"([{"dtype":"int4"}])"), words()).error().code(), ErrorCode::kRefused);
  EXPECT_EQ(resolve(config(kInt4), {{"a.weight_scale", DType::kBF16, {2, 16}}}).error().message(),
            "a.weight_scale is BF16 [2, 16], and there is no weight beside it");
}

TEST(QuarkDialect, SaysWhereTheConfigIsWrong) {
  const auto resolution =
      resolve(config(R"({"dtype":"fp8_e4m3","qscheme":"per_channel"})"), words());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(has_rule(resolution->findings, "config.scheme-disagrees"));
  const auto groups =
      resolve(config(R"({"dtype":"int4","qscheme":"per_group","group_size":16,"symmetric":true})"),
              words());
  ASSERT_TRUE(groups) << groups.error().message();
  EXPECT_TRUE(has_rule(groups->findings, "config.scheme-disagrees"));
  EXPECT_FALSE(has_rule(resolve(config(kUint4), words())->findings, "config.scheme-disagrees"));
}

}  // namespace
}  // namespace requant
