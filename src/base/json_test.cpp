#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace requant {
namespace {

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto value = parse_json(text, limits);
  return value ? "" : value.error().message();
}

TEST(Json, KeepsKeyOrderAndNumberSpelling) {
  const std::string text = R"({
  "z": 1e-05,
  "a": 10000.0,
  "list": [
    1,
    -2
  ],
  "empty": {},
  "none": []
})";
  const auto value = parse_json(text);
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->dump(2), text);
}

TEST(Json, EditsInPlace) {
  auto value = parse_json(R"({"a": 1, "b": 2, "c": 3})");
  ASSERT_TRUE(value);
  value->set("b", "two");
  value->erase("a");
  value->set("d", Json::array({Json(true), Json(nullptr)}));
  EXPECT_EQ(value->dump(), R"({"b": "two", "c": 3, "d": [true, null]})");
}

TEST(Json, RefusesDuplicateKeysByName) {
  EXPECT_EQ(error_of(R"({"hidden_size": 1, "hidden_size": 2})"),
            "key 'hidden_size' appears twice in one object");
  EXPECT_EQ(error_of(R"({"w": 1, "\u0077": 2})"), "key 'w' appears twice in one object");
}

TEST(Json, NamesTheKeyBeforeAnInvalidNumber) {
  EXPECT_NE(error_of(R"({"rms_norm_eps": NaN})").find("'rms_norm_eps'"), std::string::npos);
  EXPECT_NE(error_of(R"({"rope_theta": 1e400})").find("number out of range"), std::string::npos);
}

TEST(Json, RefusesWhatIsNotOneDocumentInUtf8) {
  for (const std::string_view text :
       {"", " ", "{", "{}x", "{} {}", "{\"a\":1,}", "{'a':1}", "/* c */ {}", "\xEF\xBB\xBF{}",
        "{\"a\":\"\xFF\"}", "{\"a\":\"\xC0\xAF\"}", "{\"a\":016}", "\"\\ud800\"", "\"\\udc97\"",
        "{\"\\uDFFF\":1}"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  EXPECT_NE(error_of(std::string_view("{}\0", 3)), "");
}

TEST(Json, BoundsDepthAndSize) {
  EXPECT_EQ(error_of(std::string(65, '[') + std::string(65, ']')), "nested deeper than 64");
  EXPECT_EQ(error_of(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_NE(error_of(std::string(200000, '[')), "");
  EXPECT_NE(error_of("[1, 2, 3]", {.bytes = 4}), "");
}

TEST(Json, IntegersMustFitAndBeSpeltAsSuch) {
  const auto value = parse_json("[9223372036854775807, 9223372036854775808, 64.0, -1, 2e0]");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->items()[0].as_int(), 9223372036854775807);
  EXPECT_EQ(value->items()[1].as_int(), std::nullopt);
  EXPECT_EQ(value->items()[1].as_uint(), 9223372036854775808u);
  EXPECT_EQ(value->items()[2].as_int(), std::nullopt);
  EXPECT_EQ(value->items()[2].as_double(), 64.0);
  EXPECT_EQ(value->items()[3].as_uint(), std::nullopt);
  EXPECT_EQ(value->items()[4].as_int(), std::nullopt);
}

TEST(Json, WritesAsciiWhenAsked) {
  EXPECT_EQ(Json("é\n").dump(0, true), "\"\\u00e9\\n\"");
  EXPECT_EQ(Json("é").dump(), "\"é\"");
  EXPECT_EQ(Json(0.5).dump(), "0.5");
  EXPECT_EQ(Json(2.0).dump(), "2.0");
}

}  // namespace
}  // namespace requant
