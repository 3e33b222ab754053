// A template over a conversation with tools: it is rendered within its limits or refused in one
// line, twice the same.
#include <string>

#include "base/text.h"
#include "target.h"
#include "text/jinja/template.h"

namespace requant::fuzz {
namespace {

std::vector<std::pair<std::string, Json>> names() {
  const auto json = parse_json(R"({
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Größe 1"},
                 {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "function":
                  {"name": "f", "arguments": {"x": [1, 2.5, null, true]}}}]},
                 {"role": "tool", "content": [{"type": "text", "text": " a\nb "}]}],
    "tools": [{"type": "function", "function": {"name": "f", "description": "<\"d'>",
               "parameters": {"type": "object", "properties": {"x": {"type": "array"}}}}}],
    "documents": null, "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
    "n": -7, "r": 1e22, "l": [3, 1, 2], "d": {"b": 1, "a": {"c": ""}}, "s": "a,b  c"})");
  std::vector<std::pair<std::string, Json>> out;
  for (const auto& [name, value] : json->members()) out.emplace_back(name, value);
  return out;
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto given = names();
  const auto parsed = requant::jinja::Template::parse(text_of(data, size));
  if (!parsed) return 0;
  constexpr requant::jinja::Limits kLimits = {
      .steps = 20'000, .steps_a_value = 0, .bytes = 1 << 22, .written = 1 << 22};
  const auto first = parsed->render(given, std::tm{}, kLimits);
  const auto second = parsed->render(given, std::tm{}, kLimits);
  const std::string& text = first ? *first : first.error().message();
  require(static_cast<bool>(first) == static_cast<bool>(second), "the same outcome");
  require(text == (second ? *second : second.error().message()), "the same text");
  require(valid_utf8(text), "valid UTF-8");
  require(first || text.find('\n') == std::string::npos, "a message of one line");
  return 0;
}
