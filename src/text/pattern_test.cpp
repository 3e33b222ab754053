#include "text/pattern.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

std::vector<std::string> split(std::string_view pattern, std::string_view text) {
  const auto compiled = SplitPattern::compile(pattern);
  if (!compiled) return {"error: " + compiled.error().message()};
  const auto stretches = compiled->split(text);
  if (!stretches) return {"error: " + stretches.error().message()};
  std::vector<std::string> parts;
  for (const Stretch& s : *stretches) {
    parts.push_back((s.matched ? "+" : "-") + std::string(text.substr(s.begin, s.end - s.begin)));
  }
  return parts;
}

using Parts = std::vector<std::string>;

TEST(SplitPattern, GivesTheWholeTextInTurn) {
  EXPECT_EQ(split("b+", "abbcb"), (Parts{"-a", "+bb", "-c", "+b"}));
  EXPECT_EQ(split("x", "abc"), (Parts{"-abc"}));
  EXPECT_EQ(split("x*", "a\u00E9x"), (Parts{"-a", "-\u00E9", "+x"}));
  EXPECT_EQ(split("x", ""), (Parts{}));
}

TEST(SplitPattern, SpacesAreThoseOfUnicode) {
  EXPECT_EQ(split(R"(\s+)", "a\u3000\u180Eb"), (Parts{"-a", "+\u3000", "-\u180Eb"}));
  EXPECT_EQ(split(R"([^\s]+)", "a\u3000\u180E"), (Parts{"+a", "-\u3000", "+\u180E"}));
  EXPECT_EQ(split(R"(\S+)", "a \u180E"), (Parts{"+a", "- ", "+\u180E"}));
}

TEST(SplitPattern, WordsHaveMarks) {
  EXPECT_EQ(split(R"(\w+)", "e\u0302_1-"), (Parts{"+e\u0302_1", "--"}));
  EXPECT_EQ(split(R"([^\w]+)", "e\u0302-"), (Parts{"-e\u0302", "+-"}));
}

TEST(SplitPattern, RefusesWhatMeansSomethingElseInPcre) {
  EXPECT_EQ(split(R"([\w&&[^a]])", "b"),
            (Parts{R"(error: pattern '[\w&&[^a]]' intersects classes)"}));
  EXPECT_TRUE(split(R"(\h)", "b")[0].starts_with("error:"));
  EXPECT_TRUE(split("(", "b")[0].starts_with("error:"));
}

TEST(SplitPattern, GivesUpOnCatastrophicPatterns) {
  const auto parts = split("(a+)+$", std::string(200, 'a') + "b");
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_NE(parts[0].find("takes too long"), std::string::npos) << parts[0];
}

TEST(SplitPattern, HonestPatternsTakeLongRuns) {
  const std::string pattern = R"(\s*[\r\n]+|\s+(?!\S)|\s+|\p{L}+)";
  EXPECT_EQ(split(pattern, std::string(1 << 20, ' ') + "x").size(), 3U);
  EXPECT_EQ(split(pattern, std::string(1 << 20, 'x')).size(), 1U);
}

}  // namespace
}  // namespace requant
