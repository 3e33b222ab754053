#include "base/plain_json.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/json.h"

namespace requant {
namespace {

// Every string of a plain document, one after the other.
bool read(PlainJson& json, std::string& out) {
  std::string_view text;
  std::uint64_t number = 0;
  if (json.take('{')) {
    return json.list('}', [&] {
      if (!json.key(text)) return false;
      out += text;
      return read(json, out);
    });
  }
  if (json.take('[')) return json.list(']', [&] { return read(json, out); });
  if (json.string(text)) {
    out += text;
    return true;
  }
  return json.number(number);
}

bool accepts(std::string_view text, std::string* strings = nullptr) {
  PlainJson json(text);
  std::string ignored;
  return read(json, strings == nullptr ? ignored : *strings) && json.ends();
}

TEST(PlainJson, ReadsWhatProgramsWrite) {
  std::string strings;
  EXPECT_TRUE(accepts(R"( {"a.b": [1, 20, 0], "a longer name": {"c":"of more than a word"}, "e":[]}
)",
                      &strings));
  EXPECT_EQ(strings, "a.ba longer namecof more than a worde");
}

TEST(PlainJson, LeavesWhatIsUnusualToTheWholeGrammar) {
  for (const std::string_view text :
       {R"({"a":-1})", R"({"a":1.5})", R"({"a":1e3})", R"({"a":true})", R"({"a":null})",
        R"({"\u0061":1})", "{\"\xC3\xA4\":1}", R"({"a":1000000000000000000})"}) {
    EXPECT_TRUE(parse_json(text)) << text;
    EXPECT_FALSE(accepts(text)) << text;
  }
}

TEST(PlainJson, AcceptsNothingThatTheWholeGrammarRefuses) {
  const std::string good = R"({"ab": {"dtype": "F8_E4M3", "shape": [12, 0]}, "c": ["d", "e"]} )";
  ASSERT_TRUE(accepts(good));
  for (std::size_t length = 0; length + 1 < good.size(); ++length) {
    EXPECT_FALSE(accepts(good.substr(0, length))) << length;
  }
  std::mt19937 random(11);
  constexpr std::string_view kBytes = "\"\\{}[],: 01-.\n\x01\x7F\x80z";
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (std::uint32_t i = random() % 3 + 1; i > 0; --i) {
      text[random() % text.size()] = kBytes[random() % kBytes.size()];
    }
    if (!accepts(text)) continue;
    ++accepted;
    const auto whole = parse_json(text);
    // A key that comes twice is for the caller to notice.
    EXPECT_TRUE(whole || whole.error().message().find("twice") != std::string::npos) << text;
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace requant
