#include "text/normalizer.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "text/characters_map.h"
#include "text/json_value.h"
#include "text/unicode.h"

namespace requant {
namespace {

constexpr std::size_t kSteps = 64;
constexpr std::size_t kLongestPrefix = 1024;

// Steps may make a text longer, but not beyond all measure.
Result<void> check_growth(std::size_t before, std::size_t after) {
  constexpr std::size_t kFree = std::size_t{1} << 20;
  constexpr std::size_t kTimes = 32;  // a character gives 18 at most, of twice its bytes
  if (after > kFree && (after - kFree) / kTimes > before) {
    return refused(fmt::format("a normalizer makes {} bytes of a text of {}", after, before));
  }
  return {};
}

template <NormalForm kForm>
Result<Normalizer::Step> parse_form(const Json&) {
  return Normalizer::Step([](std::string& text) -> Result<void> {
    text = normalized(text, kForm);
    return {};
  });
}

Result<Normalizer::Step> parse_lowercase(const Json&) {
  return Normalizer::Step([](std::string& text) -> Result<void> {
    text = lower_case(text);
    return {};
  });
}

Result<Normalizer::Step> parse_prepend(const Json& json) {
  if (text_at(json, "prepend").size() > kLongestPrefix) {
    return refused("a normalizer that prepends over 1 KiB");
  }
  return Normalizer::Step([prefix = text_at(json, "prepend")](std::string& text) -> Result<void> {
    if (!text.empty()) text.insert(0, prefix);
    return {};
  });
}

Result<Normalizer::Step> parse_replace(const Json& json) {
  RQ_TRY(SplitPattern pattern, pattern_at(json, "pattern"));
  const auto shared = std::make_shared<const SplitPattern>(std::move(pattern));
  return Normalizer::Step(
      [shared, content = text_at(json, "content")](std::string& text) -> Result<void> {
        RQ_TRY(const auto stretches, shared->split(text));
        std::string out;
        for (const Stretch& s : stretches) {
          RQ_CHECK(check_growth(text.size(), out.size() + (s.matched ? content.size() : 0)));
          out += s.matched ? content : text.substr(s.begin, s.end - s.begin);
        }
        text = std::move(out);
        return {};
      });
}

Result<Normalizer::Step> parse_precompiled(const Json& json) {
  RQ_TRY(CharactersMap map, CharactersMap::parse(text_at(json, "precompiled_charsmap")));
  const auto shared = std::make_shared<const CharactersMap>(std::move(map));
  return Normalizer::Step([shared](std::string& text) -> Result<void> {
    RQ_TRY(text, shared->apply(text));
    return {};
  });
}

Result<Normalizer::Step> parse_strip(const Json& json) {
  const bool left = flag_at(json, "strip_left", true);
  const bool right = flag_at(json, "strip_right", true);
  return Normalizer::Step([left, right](std::string& text) -> Result<void> {
    std::string_view rest = text;
    while (left && !rest.empty() && is_white_space(first_code_point(rest).value)) {
      rest.remove_prefix(first_code_point(rest).size);
    }
    while (right && !rest.empty() && is_white_space(last_code_point(rest).value)) {
      rest.remove_suffix(last_code_point(rest).size);
    }
    text = std::string(rest);
    return {};
  });
}

struct Type {
  std::string_view name;
  Result<Normalizer::Step> (*parse)(const Json&);
};
constexpr Type kTypes[] = {
    {"NFC", parse_form<NormalForm::kC>},
    {"NFD", parse_form<NormalForm::kD>},
    {"NFKC", parse_form<NormalForm::kKc>},
    {"NFKD", parse_form<NormalForm::kKd>},
    {"Lowercase", parse_lowercase},
    {"Precompiled", parse_precompiled},
    {"Prepend", parse_prepend},
    {"Replace", parse_replace},
    {"Strip", parse_strip},
};

Result<void> add_steps(const Json& json, std::vector<Normalizer::Step>& steps) {
  const std::string name = type_of(json);
  if (name == "Sequence") {
    if (const Json* list = json.find("normalizers")) {
      for (const Json& item : list->items()) RQ_CHECK(add_steps(item, steps));
    }
    return {};
  }
  for (const Type& type : kTypes) {
    if (type.name != name) continue;
    if (steps.size() == kSteps) return refused("over 64 normalizers");
    RQ_TRY(Normalizer::Step step, type.parse(json));
    steps.push_back(std::move(step));
    return {};
  }
  return refused("normalizer " + in_quotes(name) + " is not supported");
}

}  // namespace

Result<Normalizer> Normalizer::parse(const Json* json) {
  Normalizer normalizer;
  if (json != nullptr && !json->is_null()) RQ_CHECK(add_steps(*json, normalizer.steps_));
  return normalizer;
}

Result<std::string> Normalizer::apply(std::string text) const {
  const std::size_t size = text.size();
  for (const Step& step : steps_) {
    RQ_CHECK(step(text));
    RQ_CHECK(check_growth(size, text.size()));
  }
  return text;
}

}  // namespace requant
