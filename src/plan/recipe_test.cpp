#include "plan/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace requant {
namespace {

using testing::HasSubstr;

Module module_of(Role role, Tower tower = Tower::kLanguage) {
  Module module;
  module.role = role;
  module.tower = tower;
  return module;
}

std::string chosen(const Recipe& recipe, std::string_view module,
                   const Module& place = module_of(Role::kLinear)) {
  const auto scheme = recipe.scheme_of(module, place);
  EXPECT_TRUE(scheme) << scheme.error().message();
  return scheme && *scheme ? (*scheme)->text : "";
}

Result<Recipe> parsed(std::string_view text) { return Recipe::parse(*parse_json(text), {}); }

TEST(Recipe, LeavesHeadsRoutersAndTowersByDefault) {
  const auto recipe = Recipe::make("w4a16", Recipe::usual_ignore());
  ASSERT_TRUE(recipe);
  EXPECT_EQ(chosen(*recipe, "model.layers.0.mlp.up_proj"), "w4a16");
  EXPECT_EQ(chosen(*recipe, "experts.3.up_proj", module_of(Role::kExpert)), "w4a16");
  EXPECT_EQ(chosen(*recipe, "lm_head", module_of(Role::kLmHead)), "");
  EXPECT_EQ(chosen(*recipe, "mlp.gate", module_of(Role::kRouter)), "");
  EXPECT_EQ(chosen(*recipe, "visual.proj", module_of(Role::kLinear, Tower::kVision)), "");
  EXPECT_EQ(chosen(*recipe, "model.embed_tokens", module_of(Role::kEmbedding)), "");
  EXPECT_EQ(chosen(*recipe, "model.norm", module_of(Role::kNorm)), "");
}

TEST(Recipe, AListOfItsOwnReplacesTheUsualOne) {
  const auto recipe = Recipe::make("w4a16", {"re:.*down_proj"});
  ASSERT_TRUE(recipe);
  EXPECT_EQ(chosen(*recipe, "lm_head", module_of(Role::kLmHead)), "w4a16");
  EXPECT_EQ(chosen(*recipe, "model.layers.0.mlp.down_proj"), "");
}

TEST(Recipe, TheFirstRuleThatMatchesCounts) {
  const auto recipe = parsed(R"({"scheme": "w4a16", "rules": [
      {"match": ["re:.*\\.0\\..*down_proj"], "scheme": "fp8"},
      {"match": ["re:.*down_proj"], "scheme": "w8a16"}]})");
  ASSERT_TRUE(recipe) << recipe.error().message();
  EXPECT_EQ(chosen(*recipe, "model.layers.0.mlp.down_proj"), "fp8");
  EXPECT_EQ(chosen(*recipe, "model.layers.1.mlp.down_proj"), "w8a16");
  EXPECT_EQ(chosen(*recipe, "model.layers.1.mlp.up_proj"), "w4a16");
}

TEST(Recipe, NamesWhatIsWrongWithAFile) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "'scheme'"},
      {R"({"scheme": "w4a16", "ignored": []})", "'ignored'"},
      {R"({"scheme": "w9a16"})", "'w9a16'"},
      {R"({"scheme": "fp8", "ignore": "lm_head"})", "'ignore'"},
      {R"({"scheme": "fp8", "ignore": ["re:("]})", "ignore"},
      {R"({"scheme": "fp8", "rules": [{"scheme": "fp8"}]})", "'match'"},
      {R"([])", "object"},
  };
  for (const auto& [text, expected] : cases) {
    const auto recipe = parsed(text);
    ASSERT_FALSE(recipe) << text;
    EXPECT_EQ(recipe.error().code(), ErrorCode::kUsage) << text;
    EXPECT_THAT(recipe.error().message(), HasSubstr(expected));
  }
}

}  // namespace
}  // namespace requant
