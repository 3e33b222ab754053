#include "engine/names.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(NameList, ComparesAsTheEngineDoes) {
  const NameList exact({"lm_head"}, NameMatch::kExact);
  EXPECT_EQ(exact.contains("lm_head"), Truth::kYes);
  EXPECT_EQ(exact.contains("model.lm_head"), Truth::kNo);
  const NameList parts({"vision_model"}, NameMatch::kSubstring);
  EXPECT_EQ(parts.contains("vision_model.encoder.layers.0.attn.qkv"), Truth::kYes);
  EXPECT_EQ(parts.contains("model.layers.0.mlp.up_proj"), Truth::kNo);
}

TEST(NameList, AnchorsExpressionsAtTheStartOnly) {
  const NameList list({"re:vision_model.*", "re:.*gate$"}, NameMatch::kExactOrRegex);
  EXPECT_EQ(list.contains("vision_model.encoder.layers.7.mlp.fc1"), Truth::kYes);
  EXPECT_EQ(list.contains("model.vision_model.fc1"), Truth::kNo);
  EXPECT_EQ(list.contains("model.layers.12.mlp.gate"), Truth::kYes);
  EXPECT_EQ(list.contains("model.layers.12.mlp.gate_proj"), Truth::kNo);
}

TEST(NameList, TellsLayersApartWhereTheExpressionDoes) {
  const NameList list({"re:model\\.layers\\.[0-3]\\..*"}, NameMatch::kExactOrRegex);
  EXPECT_EQ(list.contains("model.layers.3.mlp.up_proj"), Truth::kYes);
  EXPECT_EQ(list.contains("model.layers.4.mlp.up_proj"), Truth::kNo);
}

TEST(NameList, GivesUpOnWhatIsNoExpressionOrTakesForever) {
  EXPECT_EQ(NameList({"re:("}, NameMatch::kExactOrRegex).contains("a"), Truth::kUnknown);
  const NameList hostile({"re:(a|a)*[bc]"}, NameMatch::kExactOrRegex);
  EXPECT_EQ(hostile.contains(std::string(200, 'a')), Truth::kUnknown);
}

}  // namespace
}  // namespace requant
