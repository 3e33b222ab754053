#include "arch/pattern_tree.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(PatternTree, FindsLayerAndExpert) {
  PatternTree tree;
  tree.add("model.layers.{layer}.mlp.experts.{expert}.w1", 7);
  PatternTree::Found found;
  ASSERT_TRUE(tree.find("model.layers.12.mlp.experts.3.w1", found));
  EXPECT_EQ(found.value, 7U);
  EXPECT_EQ(found.layer, 12);
  EXPECT_EQ(found.expert, 3);
}

TEST(PatternTree, MatchesWholeNamesOnly) {
  PatternTree tree;
  tree.add("model.layers.{layer}.norm", 1);
  PatternTree::Found found;
  EXPECT_FALSE(tree.find("model.layers.0", found));
  EXPECT_FALSE(tree.find("model.layers.0.norm.more", found));
  EXPECT_FALSE(tree.find("model.layers.x.norm", found));
  EXPECT_FALSE(tree.find("model.layers.-1.norm", found));
  EXPECT_FALSE(tree.find("", found));
}

TEST(PatternTree, TheLastPatternOfAKindCounts) {
  PatternTree tree;
  tree.add("lm_head", 1);
  tree.add("lm_head", 2);
  PatternTree::Found found;
  ASSERT_TRUE(tree.find("lm_head", found));
  EXPECT_EQ(found.value, 2U);
}

}  // namespace
}  // namespace requant
