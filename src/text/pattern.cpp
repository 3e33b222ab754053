#include "text/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/pcre2.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::size_t kPatternLimit = 16384;
// Steps of one match: an honest pattern takes a few for each character that it passes.
constexpr std::size_t kStepsAtLeast = 100'000;
constexpr std::size_t kStepsPerByte = 64;
constexpr std::uint32_t kHeapLimitKiB = 65536;

using pcre2::reason_of;
using pcre2::units;

// What stands for a letter after a backslash inside a class: White_Space, which PCRE2's \s is but
// for U+180E, and the characters of words, marks among them.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kWord = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200c}\x{200d})";

// kRefused for what would mean something else in PCRE2.
Result<std::string> translated_escape(char letter, bool in_class, std::string_view pattern) {
  switch (letter) {
    case 's':
      return in_class ? std::string(kSpaces) : fmt::format("[{}]", kSpaces);
    case 'w':
      return in_class ? std::string(kWord) : fmt::format("[{}]", kWord);
    case 'S':
      if (!in_class) return fmt::format("[^{}]", kSpaces);
      break;
    case 'W':
      if (!in_class) return fmt::format("[^{}]", kWord);
      break;
    case 'h':
    case 'H':
      return refused(fmt::format("pattern {} uses \\{}, a hexadecimal digit there",
                                 in_quotes(pattern), letter));
    default:
      break;
  }
  return std::string{'\\', letter};
}

// The pattern in PCRE2's words. kRefused for what would mean something else there.
Result<std::string> translated(std::string_view pattern) {
  std::string out;
  int classes = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\' && next != '\0') {
      ++i;
      RQ_TRY(const std::string own, translated_escape(next, classes > 0, pattern));
      out += own;
      continue;
    }
    if (classes > 0 && c == '&' && next == '&') {
      return refused(fmt::format("pattern {} intersects classes", in_quotes(pattern)));
    }
    if (c == '[' && classes > 0 && next != ':') {
      return refused(fmt::format("pattern {} has a class in a class", in_quotes(pattern)));
    }
    if (c == '[' && classes == 0) {
      ++classes;
    } else if (c == '[') {  // [:alpha:]
      const std::size_t end = pattern.find(":]", i);
      if (end == std::string_view::npos) return refused("pattern with half a class");
      out += pattern.substr(i, end + 2 - i);
      i = end + 1;
      continue;
    } else if (c == ']' && classes > 0) {
      --classes;
    }
    out += c;
  }
  return out;
}

void add(std::vector<Stretch>& stretches, std::size_t begin, std::size_t end, bool matched) {
  if (begin < end) stretches.push_back({begin, end, matched});
}

}  // namespace

struct SplitPattern::Compiled {
  std::string text;
  pcre2::Code code;  // none: `text` itself is looked for
};

SplitPattern::SplitPattern(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;
SplitPattern& SplitPattern::operator=(SplitPattern&&) noexcept = default;
SplitPattern::~SplitPattern() = default;

SplitPattern SplitPattern::literal(std::string text) {
  auto compiled = std::make_unique<Compiled>();
  compiled->text = std::move(text);
  return SplitPattern(std::move(compiled));
}

Result<SplitPattern> SplitPattern::compile(std::string_view pattern) {
  if (pattern.size() > kPatternLimit) {
    return refused(
        fmt::format("pattern of {} bytes, expected at most {}", pattern.size(), kPatternLimit));
  }
  RQ_TRY(const std::string own, translated(pattern));
  int error = 0;
  std::size_t offset = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->text = pattern;
  compiled->code.reset(pcre2_compile(units(own), own.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
                                     &offset, nullptr));
  if (!compiled->code) {
    return corrupt(fmt::format("pattern {} is no regular expression: {}", in_quotes(pattern),
                               reason_of(error)));
  }
  return SplitPattern(std::move(compiled));
}

namespace {

std::vector<Stretch> split_literal(std::string_view text, std::string_view literal) {
  std::vector<Stretch> stretches;
  std::size_t done = 0;
  while (!literal.empty()) {
    const std::size_t at = text.find(literal, done);
    if (at == std::string_view::npos) break;
    add(stretches, done, at, false);
    add(stretches, at, at + literal.size(), true);
    done = at + literal.size();
  }
  add(stretches, done, text.size(), false);
  return stretches;
}

}  // namespace

Result<std::vector<Stretch>> SplitPattern::split(std::string_view text) const {
  if (!compiled_->code) return split_literal(text, compiled_->text);
  const pcre2::MatchContext context(pcre2_match_context_create(nullptr));
  const pcre2::MatchData data(pcre2_match_data_create(1, nullptr));
  if (!context || !data) return resource("no memory for a pattern");
  const std::size_t steps =
      std::min<std::size_t>(UINT32_MAX, kStepsAtLeast + kStepsPerByte * text.size());
  pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(steps));
  pcre2_set_depth_limit(context.get(), static_cast<std::uint32_t>(steps));
  pcre2_set_heap_limit(context.get(), kHeapLimitKiB);
  std::vector<Stretch> stretches;
  std::size_t done = 0;    // end of the last stretch
  std::size_t search = 0;  // where the next match may begin
  while (search < text.size()) {
    const int code = pcre2_match(compiled_->code.get(), units(text), text.size(), search,
                                 PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (code == PCRE2_ERROR_NOMATCH) break;
    if (code < 0) {
      return refused(fmt::format("pattern {} takes too long on a text: {}",
                                 in_quotes(compiled_->text), reason_of(code)));
    }
    const std::size_t* found = pcre2_get_ovector_pointer(data.get());
    add(stretches, done, found[0], false);
    add(stretches, found[0], found[1], true);
    done = std::max(done, found[1]);
    search = found[1];
    if (found[0] >= found[1]) {  // an empty match: on by one character
      search = std::max(found[0], search) + 1;
      while (search < text.size() && (static_cast<unsigned char>(text[search]) & 0xC0) == 0x80) {
        ++search;
      }
    }
  }
  add(stretches, done, text.size(), false);
  return stretches;
}

}  // namespace requant
