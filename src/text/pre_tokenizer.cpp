#include "text/pre_tokenizer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "text/byte_level.h"
#include "text/json_value.h"
#include "text/unicode.h"

namespace requant {
namespace {

using Step = PreTokenizer::Step;
using SharedPattern = std::shared_ptr<const SplitPattern>;

constexpr std::size_t kSteps = 64;
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// What becomes of a match.
enum class Behaviour : std::uint8_t {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous
};

std::optional<Behaviour> behaviour_named(std::string_view name) {
  constexpr std::pair<std::string_view, Behaviour> kNames[] = {
      {"Removed", Behaviour::kRemoved},
      {"Isolated", Behaviour::kIsolated},
      {"MergedWithPrevious", Behaviour::kMergedWithPrevious},
      {"MergedWithNext", Behaviour::kMergedWithNext},
      {"Contiguous", Behaviour::kContiguous},
  };
  for (const auto& [known, behaviour] : kNames) {
    if (known == name) return behaviour;
  }
  return std::nullopt;
}

// Whether `now` joins the stretch before it, `last`.
bool joins(const Stretch& last, const Stretch& now, Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::kMergedWithPrevious:
      return now.matched && !last.matched;
    case Behaviour::kMergedWithNext:
      return !now.matched && last.matched;
    case Behaviour::kContiguous:
      return now.matched == last.matched;
    default:
      return false;
  }
}

std::vector<Stretch> merged(const std::vector<Stretch>& stretches, Behaviour behaviour) {
  std::vector<Stretch> out;
  Stretch last;  // as it was matched, alone
  for (const Stretch& now : stretches) {
    if (behaviour == Behaviour::kRemoved && now.matched) continue;
    if (!out.empty() && joins(last, now, behaviour)) {
      out.back().end = now.end;
    } else {
      out.push_back(now);
    }
    last = now;
  }
  return out;
}

Step split_step(SharedPattern pattern, Behaviour behaviour, bool invert) {
  return [pattern = std::move(pattern), behaviour,
          invert](std::vector<Piece>& pieces) -> Result<void> {
    std::vector<Piece> out;
    for (const Piece& piece : pieces) {
      RQ_TRY(std::vector<Stretch> stretches, pattern->split(piece.text));
      for (Stretch& s : stretches) s.matched = s.matched != invert;
      for (const Stretch& s : merged(stretches, behaviour)) {
        out.push_back(
            {piece.text.substr(s.begin, s.end - s.begin), piece.at_start && s.begin == 0});
      }
    }
    pieces = std::move(out);
    return {};
  };
}

Result<Step> split_by(std::string_view pattern, Behaviour behaviour, bool invert = false) {
  RQ_TRY(SplitPattern compiled, SplitPattern::compile(pattern));
  return split_step(std::make_shared<const SplitPattern>(std::move(compiled)), behaviour, invert);
}

using Steps = std::vector<Step>;

Result<Steps> parse_split(const Json& json) {
  RQ_TRY(SplitPattern pattern, pattern_at(json, "pattern"));
  const auto behaviour = behaviour_named(text_at(json, "behavior"));
  if (!behaviour) return refused("behavior " + in_quotes(text_at(json, "behavior")));
  return Steps{split_step(std::make_shared<const SplitPattern>(std::move(pattern)), *behaviour,
                          flag_at(json, "invert", false))};
}

Result<Steps> parse_byte_level(const Json& json) {
  Steps steps;
  if (flag_at(json, "add_prefix_space", true)) {
    steps.push_back([](std::vector<Piece>& pieces) -> Result<void> {
      for (Piece& piece : pieces) {
        if (!piece.text.starts_with(' ')) piece.text.insert(0, 1, ' ');
      }
      return {};
    });
  }
  if (flag_at(json, "use_regex", true)) {
    RQ_TRY(Step split, split_by(kGpt2, Behaviour::kIsolated));
    steps.push_back(std::move(split));
  }
  steps.push_back([](std::vector<Piece>& pieces) -> Result<void> {
    for (Piece& piece : pieces) piece.text = to_byte_characters(piece.text);
    return {};
  });
  return steps;
}

Result<Steps> parse_digits(const Json& json) {
  const bool each = flag_at(json, "individual_digits", false);
  RQ_TRY(Step step, split_by(R"(\p{N})", each ? Behaviour::kIsolated : Behaviour::kContiguous));
  return Steps{std::move(step)};
}

Result<Steps> parse_punctuation(const Json& json) {
  const std::string name = text_at(json, "behavior");
  const auto behaviour = name.empty() ? Behaviour::kIsolated : behaviour_named(name);
  if (!behaviour) return refused("behavior " + in_quotes(name));
  RQ_TRY(Step step, split_by(R"([!-/:-@\[-`{-~\p{P}])", *behaviour));
  return Steps{std::move(step)};
}

Result<Steps> parse_whitespace(const Json&) {
  RQ_TRY(Step step, split_by(R"(\w+|[^\w\s]+)", Behaviour::kRemoved, true));
  return Steps{std::move(step)};
}

Result<Steps> parse_whitespace_split(const Json&) {
  RQ_TRY(Step step, split_by(R"(\s)", Behaviour::kRemoved));
  return Steps{std::move(step)};
}

Result<Steps> parse_metaspace(const Json& json) {
  const std::string replacement = text_at(json, "replacement");
  std::string scheme = text_at(json, "prepend_scheme");
  if (scheme.empty()) scheme = flag_at(json, "add_prefix_space", true) ? "always" : "never";
  if (replacement.empty() || (scheme != "always" && scheme != "first" && scheme != "never")) {
    return corrupt("Metaspace without a replacement, or with prepend_scheme " + in_quotes(scheme));
  }
  if (replacement.size() > 64) return refused("Metaspace with a replacement of over 64 bytes");
  Steps steps;
  steps.push_back([replacement, scheme](std::vector<Piece>& pieces) -> Result<void> {
    for (Piece& piece : pieces) {
      std::string text;
      for (const char c : piece.text) {
        if (c == ' ') {
          text += replacement;
        } else {
          text += c;
        }
      }
      const bool wanted = scheme == "always" || (scheme == "first" && piece.at_start);
      piece.text = wanted && !text.starts_with(replacement) ? replacement + text : text;
    }
    return {};
  });
  if (flag_at(json, "split", true)) {
    steps.push_back(
        split_step(std::make_shared<const SplitPattern>(SplitPattern::literal(replacement)),
                   Behaviour::kMergedWithNext, false));
  }
  return steps;
}

struct Type {
  std::string_view name;
  Result<Steps> (*parse)(const Json&);
};
constexpr Type kTypes[] = {
    {"ByteLevel", parse_byte_level},  {"Split", parse_split},
    {"Digits", parse_digits},         {"Punctuation", parse_punctuation},
    {"Whitespace", parse_whitespace}, {"WhitespaceSplit", parse_whitespace_split},
    {"Metaspace", parse_metaspace},
};

Result<void> add_steps(const Json& json, Steps& steps) {
  const std::string name = type_of(json);
  if (name == "Sequence") {
    if (const Json* list = json.find("pretokenizers")) {
      for (const Json& item : list->items()) RQ_CHECK(add_steps(item, steps));
    }
    return {};
  }
  for (const Type& type : kTypes) {
    if (type.name != name) continue;
    RQ_TRY(Steps own, type.parse(json));
    for (Step& step : own) steps.push_back(std::move(step));
    if (steps.size() > kSteps) return refused("over 64 steps of a pre_tokenizer");
    return {};
  }
  return refused("pre_tokenizer " + in_quotes(name) + " is not supported");
}

}  // namespace

Result<PreTokenizer> PreTokenizer::parse(const Json* json) {
  PreTokenizer result;
  if (json != nullptr && !json->is_null()) RQ_CHECK(add_steps(*json, result.steps_));
  return result;
}

Result<std::vector<Piece>> PreTokenizer::apply(Piece text) const {
  std::vector<Piece> pieces;
  pieces.push_back(std::move(text));
  for (const Step& step : steps_) RQ_CHECK(step(pieces));
  return pieces;
}

}  // namespace requant
