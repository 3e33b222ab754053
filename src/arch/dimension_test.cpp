#include "arch/dimension.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

std::optional<std::int64_t> value_of(std::string_view key) {
  if (key == "heads") return 8;
  if (key == "hidden") return 256;
  if (key == "huge") return std::int64_t{1} << 40;
  return std::nullopt;
}

TEST(Dimension, MultipliesBeforeItAdds) {
  EXPECT_EQ(evaluate_dimension("heads*32+2*heads*16", value_of), 8 * 32 + 2 * 8 * 16);
}

TEST(Dimension, DividesOnlyWhatIsWhole) {
  EXPECT_EQ(evaluate_dimension("hidden/heads", value_of), 32);
  EXPECT_EQ(evaluate_dimension("hidden/3", value_of), std::nullopt);
  EXPECT_EQ(evaluate_dimension("hidden/0", value_of), std::nullopt);
}

TEST(Dimension, HasNoValueWithoutItsKeys) {
  EXPECT_EQ(evaluate_dimension("heads*width", value_of), std::nullopt);
  EXPECT_EQ(evaluate_dimension("", value_of), std::nullopt);
}

TEST(Dimension, HasNoValueWhereItOverflows) {
  EXPECT_EQ(evaluate_dimension("huge*huge", value_of), std::nullopt);
}

}  // namespace
}  // namespace requant
