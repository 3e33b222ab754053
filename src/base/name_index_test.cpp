#include "base/name_index.h"

#include <gtest/gtest.h>

#include <string>

namespace requant {
namespace {

std::vector<std::string> many_names() {
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) {
    names.push_back("model.layers." + std::to_string(i) + ".weight");
  }
  return names;
}

TEST(NameIndex, FindsEveryNameAndNoOther) {
  const auto names = many_names();
  const auto name_of = [&](std::uint32_t i) { return std::string_view(names[i]); };
  NameIndex index;
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    EXPECT_TRUE(index.insert(names[i], i, name_of));
  }
  EXPECT_EQ(index.size(), names.size());
  for (std::uint32_t i = 0; i < names.size(); ++i) EXPECT_EQ(index.find(names[i], name_of), i);
  EXPECT_EQ(index.find("model.layers.20000.weight", name_of), NameIndex::kNone);
  EXPECT_EQ(index.find("", name_of), NameIndex::kNone);
}

TEST(NameIndex, SaysWhereANameWasBefore) {
  const std::vector<std::string> names = {"a", "b", "a"};
  const auto name_of = [&](std::uint32_t i) { return std::string_view(names[i]); };
  NameIndex index(names.size());
  EXPECT_TRUE(index.insert("a", 0, name_of));
  EXPECT_TRUE(index.insert("b", 1, name_of));
  std::uint32_t other = NameIndex::kNone;
  EXPECT_FALSE(index.insert("a", 2, name_of, &other));
  EXPECT_EQ(other, 0U);
  EXPECT_EQ(index.find("a", name_of), 0U);
}

TEST(NameIndex, IsEmptyAfterClear) {
  const auto name_of = [](std::uint32_t) { return std::string_view("a"); };
  NameIndex index;
  EXPECT_EQ(index.find("a", name_of), NameIndex::kNone);
  EXPECT_TRUE(index.insert("a", 0, name_of));
  index.clear();
  EXPECT_EQ(index.find("a", name_of), NameIndex::kNone);
}

}  // namespace
}  // namespace requant
