#include "report/scheme_map.h"

#include <gtest/gtest.h>

#include "report/testing.h"

namespace requant {
namespace {

using testing_support::group;

TEST(SchemeMap, JoinsLayersThatAreAlike) {
  Inspection inspection;
  inspection.groups = {
      group({"m.layers.0.up", "m.layers.1.up", "m.layers.10.up", "m.layers.3.up"}, "int4", true),
      group({"m.layers.2.up.weight"}, "BF16", false)};
  const SchemeMap map = scheme_map(inspection);
  ASSERT_EQ(map.stacks.size(), 1u);
  EXPECT_EQ(map.stacks[0].name, "m.layers");
  EXPECT_EQ(map.stacks[0].layers, 11u);
  ASSERT_EQ(map.stacks[0].rows.size(), 1u);
  EXPECT_EQ(map.stacks[0].rows[0].module, "up");
  const auto& runs = map.stacks[0].rows[0].runs;
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(std::pair(runs[0].first, runs[0].last), std::pair(std::size_t{0}, std::size_t{1}));
  EXPECT_EQ(std::pair(runs[1].first, runs[1].last), std::pair(std::size_t{2}, std::size_t{2}));
  EXPECT_EQ(map.kinds[runs[1].kinds[0]].stored, "BF16");
  EXPECT_EQ(std::pair(runs[2].first, runs[2].last), std::pair(std::size_t{3}, std::size_t{3}));
  EXPECT_EQ(std::pair(runs[3].first, runs[3].last), std::pair(std::size_t{10}, std::size_t{10}));
}

TEST(SchemeMap, ShowsExpertsThatDiffer) {
  Inspection inspection;
  inspection.groups = {group({"l.0.experts.0.up", "l.0.experts.2.up"}, "int4", true),
                       group({"l.0.experts.1.up"}, "int8", true)};
  const SchemeMap map = scheme_map(inspection);
  const auto& row = map.stacks.at(0).rows.at(0);
  EXPECT_EQ(row.module, "experts.*.up");
  EXPECT_EQ(row.runs.at(0).kinds.size(), 2u);
}

TEST(SchemeMap, KeepsWhatIsInNoLayerApart) {
  Inspection inspection;
  InspectGroup norm = group({"m.norm.weight"}, "BF16", false);
  norm.shape = {64};
  inspection.groups = {group({"lm_head", "mlp1.0"}, "int4", true),
                       group({"m.embed_tokens.weight"}, "BF16", false), norm};
  const SchemeMap map = scheme_map(inspection);
  EXPECT_TRUE(map.stacks.empty());
  ASSERT_EQ(map.singles.size(), 3u);
  EXPECT_EQ(map.singles[0].module, "lm_head");
  EXPECT_EQ(map.singles[1].module, "m.embed_tokens");
  ASSERT_EQ(map.kinds.size(), 2u);
  EXPECT_TRUE(map.kinds[0].quantised);
  EXPECT_EQ(map.kinds[1].modules, 2u);  // the norm counts
}

TEST(SchemeMap, TakesNoHugeNumberForALayer) {
  Inspection inspection;
  inspection.groups = {
      group({"m.layers.99999999999999999999.up", "m.layers.4000000000.up"}, "int4", true)};
  const SchemeMap map = scheme_map(inspection);
  EXPECT_TRUE(map.stacks.empty());
  EXPECT_EQ(map.singles.size(), 2u);
}

}  // namespace
}  // namespace requant
