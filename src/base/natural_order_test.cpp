#include "base/natural_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "base/text.h"

namespace requant {
namespace {

std::vector<std::string> ordered(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::uint32_t i :
       natural_order(names.size(), [&](std::size_t n) { return std::string_view(names[n]); })) {
    out.push_back(names[i]);
  }
  return out;
}

TEST(NaturalOrder, PutsNumbersInTheOrderOfTheirValues) {
  EXPECT_EQ(ordered({"layers.10.a", "layers.9.b", "layers.9.a", "layers", "k"}),
            (std::vector<std::string>{"k", "layers", "layers.9.a", "layers.9.b", "layers.10.a"}));
}

TEST(NaturalOrder, KeepsWhatIsInOrder) {
  const std::vector<std::string> names = {"a1", "a2", "a10", "a10b"};
  EXPECT_EQ(ordered(names), names);
}

TEST(NaturalOrder, IsThatOfNaturalLess) {
  std::mt19937 random(7);
  constexpr std::string_view kLetters = "0019.ab_-\xC3";
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> names(200);
    for (std::string& name : names) {
      for (std::size_t length = random() % 24; length > 0; --length) {
        name += kLetters[random() % kLetters.size()];
      }
    }
    const auto sorted = ordered(names);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      EXPECT_FALSE(natural_less(sorted[i], sorted[i - 1])) << sorted[i - 1] << " " << sorted[i];
    }
    std::sort(names.begin(), names.end());
    auto same = sorted;
    std::sort(same.begin(), same.end());
    EXPECT_EQ(same, names);
  }
}

// As shards come: each in order, their ends overlapping.
TEST(NaturalOrder, MergesWhatIsInOrderPieceByPiece) {
  std::mt19937 random(8);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> names;
    for (int layer = 0; layer < 400; ++layer) {
      names.push_back("layers." + std::to_string((layer + random() % 3) / 2) + ".w");
      names.push_back("layers.0" + std::to_string(layer) + ".v");
    }
    const auto whole = ordered(names);
    const auto less = [](const std::string& a, const std::string& b) { return natural_less(a, b); };
    for (std::size_t begin = 0; begin < names.size();) {
      const std::size_t end = std::min<std::size_t>(begin + 100 + random() % 80, names.size());
      std::stable_sort(names.begin() + static_cast<std::ptrdiff_t>(begin),
                       names.begin() + static_cast<std::ptrdiff_t>(end), less);
      begin = end;
    }
    EXPECT_EQ(ordered(names), whole);
  }
}

TEST(NaturalOrder, PutsEqualNamesSideBySide) {
  EXPECT_EQ(natural_order(4,
                          [](std::size_t i) {
                            constexpr std::string_view kNames[] = {"b07", "b7", "a", "b07"};
                            return kNames[i];
                          }),
            (std::vector<std::uint32_t>{2, 0, 3, 1}));
}

}  // namespace
}  // namespace requant
