#include "engine/versioned.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_data.h"
#include "engine/engine_file.h"

namespace requant {
namespace {

Json json(std::string_view text) { return *parse_json(text); }
Json seen(std::string_view text, std::string_view version) {
  return as_of(json(text), VersionNumber(version));
}

TEST(VersionNumber, ComparesNumbersNotTexts) {
  EXPECT_LT(VersionNumber("0.9.2"), VersionNumber("0.10.0"));
  EXPECT_EQ(VersionNumber("5.0"), VersionNumber("5.0.0"));
  EXPECT_GT(VersionNumber("0.10.2"), VersionNumber("0.10"));
}

TEST(Versioned, DropsWhatOtherVersionsHave) {
  constexpr std::string_view kRows =
      R"(["a",{"since":"0.9.0","are":["b","c"]},{"until":"0.8.5","id":"x"},{"in":["0.8.0"],"id":"y"}])";
  EXPECT_EQ(seen(kRows, "0.8.0"), json(R"(["a",{"id":"x"},{"id":"y"}])"));
  EXPECT_EQ(seen(kRows, "0.8.5"), json(R"(["a",{"id":"x"}])"));
  EXPECT_EQ(seen(kRows, "0.10.0"), json(R"(["a","b","c"])"));
}

TEST(Versioned, TakesTheAlternativeOfTheVersion) {
  constexpr std::string_view kTable =
      R"({"least":{"versions":[{"until":"0.8.5","is":80},{"since":"0.9.0","is":75}]},
          "gone":{"versions":[{"until":"0.8.5","is":true}]},"row":{"since":"0.9.0","n":1}})";
  EXPECT_EQ(seen(kTable, "0.7.3"), json(R"({"least":80,"gone":true})"));
  EXPECT_EQ(seen(kTable, "0.9.2"), json(R"({"least":75,"row":{"n":1}})"));
}

TEST(Versioned, FollowsALineFromVersionToVersion) {
  const Json places = json(
      R"({"0.6.6":"a.py:12, b.py:7","0.7.3":":14, :7","0.9.0":"c.py:1, b.py:9","0.10.0":":2, :9"})");
  EXPECT_EQ(source_as_of(&places, VersionNumber("0.6.6")), "a.py:12, b.py:7");
  EXPECT_EQ(source_as_of(&places, VersionNumber("0.8.5")), "a.py:14, b.py:7");
  EXPECT_EQ(source_as_of(&places, VersionNumber("0.10.2")), "c.py:2, b.py:9");
  EXPECT_EQ(source_as_of(nullptr, VersionNumber("1")), "");
}

TEST(EngineFile, LaysRowsFoundByHandOverThoseThatWereRead) {
  constexpr std::string_view kRead =
      R"({"builds":[{"engine":"e","platform":"cuda"}],"versions":["1.0","2.0"],"registry":{"methods":["awq"]},
          "rules":[{"id":"e.a","verdict":"reject","when":{"f":"tp","op":">","v":1}}]})";
  constexpr std::string_view kByHand =
      R"({"guard":{"e.a":{"f":"tp","op":">","v":2}},"registry":{"src":"x.py:1"},
          "rules":[{"id":"e.b","since":"2.0","verdict":"accept","when":{"const":true}}]})";
  const auto file = parse_engine_file(kRead, kByHand);
  ASSERT_TRUE(file) << file.error().message();
  ASSERT_EQ((*file)->rules.size(), 2U);
  EngineFacts two;
  two.set("tp", 2);
  EXPECT_EQ((*file)->rules[0].row.when.evaluate(two), Truth::kNo);
  EXPECT_NE((*file)->json.at({"registry", "methods"}), nullptr);
  EXPECT_NE((*file)->json.at({"registry", "src"}), nullptr);
}

TEST(EngineFile, EveryEngineAndVersionIsReadable) {
  std::size_t versions = 0;
  for (const EngineInfo& info : known_engines()) {
    const auto data = load_engine(info.id);
    ASSERT_TRUE(data) << info.id.engine << " " << info.id.version << ": " << data.error().message();
    EXPECT_FALSE((*data)->rules.empty());
    EXPECT_FALSE((*data)->texts_at({"registry", "methods"}).empty());
    EXPECT_FALSE((*data)->source.empty());
    ++versions;
  }
  EXPECT_GE(versions, 68U);
}

TEST(EngineFile, AVersionOfVllmHasTheLinesOfThatVersion) {
  const auto old = load_engine({.engine = "vllm", .version = "0.7.3"});
  const auto later = load_engine({.engine = "vllm", .version = "0.33.0"});
  ASSERT_TRUE(old);
  ASSERT_TRUE(later);
  EXPECT_EQ((*old)->text_at({"config_blocks", "src"}), "vllm/config.py:578");
  EXPECT_THAT((*later)->text_at({"config_blocks", "src"}),
              testing::StartsWith("vllm/transformers_utils/model_arch_config_convertor.py:"));
  EXPECT_EQ((*old)->kernels.front().name, "MacheteLinearKernel");
}

TEST(Neighbours, AVersionBetweenTwoKnownOnesHasBoth) {
  const auto between = neighbours_of({.engine = "vllm", .version = "0.8.3"});
  ASSERT_TRUE(between);
  EXPECT_EQ(between->before, "0.8.0");
  EXPECT_EQ(between->after, "0.8.5");
  EXPECT_FALSE(between->exact);
  const auto newer = neighbours_of({.engine = "vllm", .version = "1.2"});
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->before, "0.33.0");
  EXPECT_EQ(newer->after, "");
  EXPECT_FALSE(neighbours_of({.engine = "vllm", .version = "0.2"}));
}

}  // namespace
}  // namespace requant
