#include "dialect/ct_ignore.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

using Names = std::vector<std::string>;

TargetWeight target(std::string module, Tower tower = Tower::kLanguage, Role role = Role::kLinear) {
  TargetWeight target;
  target.module = std::move(module);
  target.place.role = role;
  target.place.tower = tower;
  return target;
}

Names ignore_list(const std::vector<TargetWeight>& quantized,
                  const std::vector<TargetWeight>& unquantized) {
  const Json config = Json::object();
  const Architecture architecture = Architecture::of(config);
  auto list = ct_ignore_list({config, architecture, quantized, unquantized});
  EXPECT_TRUE(list) << list.error().message();
  return list ? *list : Names();
}

TEST(CtIgnore, IsShortForInternVl) {
  EXPECT_EQ(ignore_list({target("language_model.model.layers.0.attention.wqkv"),
                         target("language_model.model.layers.1.attention.wqkv")},
                        {target("language_model.output", Tower::kLanguage, Role::kLmHead),
                         target("mlp1.1", Tower::kProjector), target("mlp1.3", Tower::kProjector),
                         target("vision_model.encoder.layers.0.attn.qkv", Tower::kVision),
                         target("vision_model.encoder.layers.1.attn.qkv", Tower::kVision)}),
            (Names{"re:mlp1.*", "re:vision_model.*", "language_model.output"}));
}

TEST(CtIgnore, RoutersOfAllLayersAreOnePattern) {
  EXPECT_EQ(ignore_list({target("model.layers.0.mlp.gate_proj"),
                         target("model.layers.1.mlp.experts.0.gate_proj")},
                        {target("model.layers.0.mlp.gate", Tower::kLanguage, Role::kRouter),
                         target("model.layers.1.mlp.gate", Tower::kLanguage, Role::kRouter)}),
            (Names{R"(re:model\.layers\.\d+\.mlp\.gate$)"}));
}

TEST(CtIgnore, NamesModulesWhereAPatternWouldHitAQuantisedOne) {
  EXPECT_EQ(
      ignore_list({target("model.layers.0.mlp.up_proj")}, {target("model.layers.1.mlp.up_proj")}),
      (Names{"model.layers.1.mlp.up_proj"}));
}

TEST(CtIgnore, ATowerWithQuantisedModulesIsNotIgnoredWhole) {
  EXPECT_EQ(ignore_list({target("visual.blocks.0.qkv", Tower::kVision)},
                        {target("visual.merger.fc1", Tower::kVision)}),
            (Names{R"(re:visual\.merger.*)"}));
}

}  // namespace
}  // namespace requant
