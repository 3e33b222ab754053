#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support/support.h"

namespace requant::jinja {
namespace {

std::tm day() {
  std::tm day = {};
  day.tm_year = 126;
  day.tm_mon = 6;
  day.tm_mday = 4;
  day.tm_wday = 6;
  day.tm_yday = 184;
  return day;
}

Result<std::string> rendered(std::string_view text, const Json& names = Json::object(),
                             const Limits& limits = {}) {
  RQ_TRY(const Template parsed, Template::parse(text));
  std::vector<std::pair<std::string, Json>> given;
  for (const auto& [name, value] : names.members()) given.emplace_back(name, value);
  return parsed.render(given, day(), limits);
}

std::string error_of(std::string_view text) {
  const auto result = rendered(text);
  return result ? "none" : result.error().message();
}

// tests/data/text/make_jinja.py asked jinja2.
TEST(Jinja, DoesAsJinja2Does) {
  const std::string file =
      testing_support::read_file(testing_support::data_dir() / "text" / "jinja.json");
  const auto rows = parse_json(file);
  ASSERT_TRUE(rows);
  ASSERT_GT(rows->items().size(), 100U);
  for (const Json& row : rows->items()) {
    const std::string_view text = *row.find("template")->as_string();
    SCOPED_TRACE(in_quotes(text));
    const auto result = rendered(text, *row.find("names"));
    const Json* wanted = row.find("text");
    if (wanted == nullptr) {
      EXPECT_FALSE(result) << *result;
    } else {
      ASSERT_TRUE(result) << result.error().message();
      EXPECT_EQ(*result, *wanted->as_string());
    }
  }
}

TEST(Jinja, NamesTheLine) {
  EXPECT_EQ(error_of("a\n\n{{ b.c }}"), "line 3: 'b' is undefined");
  EXPECT_EQ(error_of("a\n{% if %}"), "line 2: expected an expression, found '%}'");
  EXPECT_EQ(error_of("{% for a in [1] %}\nx"), "line 2: the template ends without 'endfor'");
  EXPECT_EQ(error_of("\n{{ 'a }}"), "line 2: a text without its closing quote");
  EXPECT_EQ(error_of("{% macro m() %}\n{{ 1 // 0 }}{% endmacro %}\n\n{{ m() }}"),
            "line 2: division by zero");
  EXPECT_EQ(error_of("{{ raise_exception('a\nb') }}"), R"(line 1: the template says: a\x0ab)");
}

TEST(Jinja, SaysWhatIsNotSupported) {
  EXPECT_EQ(error_of("{% include 'x' %}"), "line 1: the tag 'include' is not supported");
  EXPECT_EQ(error_of("{{ 1|nosuch }}"), "line 1: no filter named 'nosuch'");
  EXPECT_EQ(error_of("{{ 1 is nosuch }}"), "line 1: no test named 'nosuch'");
  EXPECT_EQ(error_of("{{ [1]|map('string') }}"),
            "line 1: puts out what a filter goes through, not a list of it: |list is missing");
}

TEST(Jinja, RefusesIntegersBeyond64Bits) {
  EXPECT_EQ(error_of("{{ 9223372036854775807 + 1 }}"), "line 1: an integer beyond 64 bits");
  EXPECT_EQ(error_of("{{ 9223372036854775808 }}"), "line 1: a number that 64 bits do not hold");
  EXPECT_EQ(error_of("{{ (-9223372036854775807 - 1) // -1 }}"),
            "line 1: an integer beyond 64 bits");
  EXPECT_EQ(error_of("{{ 10 ** 10 ** 10 }}"), "line 1: an integer beyond 64 bits");
  const auto json = parse_json(R"({"n": 18446744073709551616})");
  EXPECT_EQ(rendered("{{ n }}", *json).error().message(),
            "n: the number 18446744073709551616 is beyond 64 bits");
}

TEST(Jinja, BoundsWhatATemplateCosts) {
  const std::string_view templates[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{{ 'a' * 100000000000 }}",
      "{{ ([0] * 10000000000)|length }}",
      "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}"
      "{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(200) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% endfor %}{{ ns.x }}",
      "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
      "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
      "{{ 'a'|center(10000000000) }}",
      "{{ 'a\nb'|indent(10000000000) }}",
      "{{ [1]|tojson(indent=1000000000) }}",
      "{{ [1]|batch(10000000000, 'x')|list|length }}",
      "{{ range(99999)|join('x' * 99999)|length }}",
      "{{ '%10000000000d'|format(1) }}",
      "{{ '{:10000000000}'.format(1) }}",
      "{% for i in range(99999) %}{{ range(99999)|sort|first }}{% endfor %}",
  };
  for (const std::string_view text : templates) {
    const auto result = rendered(text, Json::object(), {.steps = 100'000});
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code(), ErrorCode::kRefused) << text << result.error().message();
  }
}

TEST(Jinja, BoundsHowDeepATemplateIs) {
  const auto repeated = [](std::string_view part, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += part;
    return out;
  };
  const std::string templates[] = {
      "{{ " + repeated("(", 50000) + "1" + repeated(")", 50000) + " }}",
      "{{ " + repeated("[", 50000) + repeated("]", 50000) + " }}",
      "{{ " + repeated("not ", 50000) + "1 }}",
      "{{ " + repeated("-", 50000) + "1 }}",
      "{{ 1" + repeated(" + 1", 20000) + " }}",
      "{{ 1" + repeated("|abs", 20000) + " }}",
      "{{ a" + repeated(".a", 20000) + " }}",
      "{{ 'a'|map('map'" + repeated(", 'map'", 20000) + ")|list }}",
      repeated("{% if 1 %}", 20000) + repeated("{% endif %}", 20000),
      "{% set " + repeated("(", 20000) + "a" + repeated(")", 20000) + " = 1 %}",
  };
  for (const std::string& text : templates) EXPECT_FALSE(rendered(text)) << text.substr(0, 40);
}

TEST(Jinja, GivesMoreStepsForMoreMessages) {
  Json messages = Json::array();
  for (int i = 0; i < 5000; ++i) messages.append(Json::object({{"n", i}}));
  const Json names = Json::object({{"messages", std::move(messages)}});
  const std::string_view text =
      "{% for m in messages %}{% for i in range(20) %}{% if i == m.n %}{{ i }}{% endif %}"
      "{% endfor %}{% endfor %}";
  const auto result = rendered(text, names);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*result, "012345678910111213141516171819");
}

TEST(Jinja, KeepsNoValueOfAMacroThatOutlivesItsScope) {
  const auto result = rendered(
      "{% set ns = namespace() %}{% for i in [1, 2] %}{% set x = i %}{% macro m() %}{{ x }}"
      "{% endmacro %}{% set ns.m = m %}{% endfor %}{{ ns.m() }}");
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*result, "2");
}

}  // namespace
}  // namespace requant::jinja
