#include "dialect/name_rules.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

NameRules rules(std::vector<std::string> entries) {
  auto parsed = NameRules::parse(std::move(entries));
  EXPECT_TRUE(parsed) << parsed.error().message();
  return *std::move(parsed);
}

bool matches(const NameRules& list, std::string_view module,
             std::string_view class_name = "Linear") {
  const auto hit = list.find(module, class_name);
  EXPECT_TRUE(hit) << hit.error().message();
  return hit && *hit;
}

TEST(NameRules, ANameIsMatchedWhole) {
  const NameRules list = rules({"lm_head"});
  EXPECT_TRUE(matches(list, "lm_head"));
  EXPECT_FALSE(matches(list, "model.lm_head"));
  EXPECT_FALSE(matches(list, "lm_head2"));
}

TEST(NameRules, APatternIsHeldToTheStartAndNotToTheEnd) {
  const NameRules list = rules({"re:visual.*proj"});
  EXPECT_TRUE(matches(list, "visual.blocks.0.proj"));
  EXPECT_TRUE(matches(list, "visual.blocks.0.proj.more"));
  EXPECT_FALSE(matches(list, "model.visual.blocks.0.proj"));
}

TEST(NameRules, AClassIsMatchedLast) {
  const NameRules list = rules({"Linear", "re:model.*", "model.a"});
  EXPECT_EQ((*list.find("model.a", "Linear"))->rank, NameRules::Rank::kName);
  EXPECT_EQ((*list.find("model.b", "Linear"))->rank, NameRules::Rank::kPattern);
  EXPECT_EQ((*list.find("other", "Linear"))->rank, NameRules::Rank::kClass);
  EXPECT_FALSE(*list.find("other", "Embedding"));
}

TEST(NameRules, RefusesWhatIsNoPattern) {
  const auto parsed = NameRules::parse({"re:(["});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
}

TEST(NameRules, ABombIsRefusedInsteadOfRun) {
  const NameRules list = rules({"re:(a+)+$"});
  const auto hit = list.find(std::string(60, 'a') + "!", "");
  ASSERT_FALSE(hit);
  EXPECT_EQ(hit.error().code(), ErrorCode::kRefused);
}

TEST(NameRules, AListInJsonMustBeOfStrings) {
  const Json list = Json::array({Json("a"), Json(1)});
  EXPECT_FALSE(NameRules::parse(&list, "ignore"));
  EXPECT_TRUE(NameRules::parse(nullptr, "ignore"));
}

TEST(NameRules, TheFirstPatternThatMatchesCounts) {
  const auto entry = [](const NameRules& list, std::string_view module) {
    return (*list.find(module, ""))->entry;
  };
  const NameRules numbered = rules({"re:.*layers\\.1\\..*", "re:.*mlp.*"});
  EXPECT_EQ(entry(numbered, "model.layers.2.mlp"), 1U);
  EXPECT_EQ(entry(numbered, "model.layers.1.mlp"), 0U);
  EXPECT_EQ(entry(numbered, "model.layers.3.mlp"), 1U);
  const NameRules general = rules({"re:.*mlp.*", "re:.*layers\\.1\\..*"});
  EXPECT_EQ(entry(general, "model.layers.1.mlp"), 0U);
  EXPECT_EQ(entry(general, "model.layers.1.attn"), 1U);
}

TEST(NameRules, SomePatternsTellDigitsApartWithoutNamingOne) {
  const NameRules list = rules({"re:(?P<a>\\d)(?P=a)$"});
  EXPECT_TRUE(matches(list, "11", ""));
  EXPECT_FALSE(matches(list, "12", ""));
  EXPECT_TRUE(tells_digits_apart("(?P<a>\\d)\\k<a>"));
  EXPECT_FALSE(tells_digits_apart(".*mlp\\.(gate|up)_proj.*"));
}

}  // namespace
}  // namespace requant
