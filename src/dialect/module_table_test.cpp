#include "dialect/module_table.h"

#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

TEST(ModuleTable, PutsTheTensorsOfAModuleTogether) {
  const FakeCheckpoint fake("{}", {{"a.b.weight", DType::kI8, {4, 2}},
                                   {"a.b.scale", DType::kF32, {4, 1}},
                                   {"bare", DType::kF32, {1}}});
  const ModuleTable& table = fake.facts().modules;
  ASSERT_NE(table.find("a.b"), nullptr);
  EXPECT_EQ(table.find("a.b")->parts.size(), 2U);
  EXPECT_EQ(table.first_with("scale")->module, "a.b");
  EXPECT_EQ(table.first_with("qweight"), nullptr);
  EXPECT_EQ(table.find("")->parts.front().first, "bare");
}

}  // namespace
}  // namespace requant
