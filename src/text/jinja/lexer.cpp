#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "text/jinja/points.h"
#include "text/jinja/string_literal.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

constexpr std::size_t kMostTokens = 100'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// With "\n" for every line break, and without one at the end.
std::string with_plain_lines(std::string_view source) {
  std::string out;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)), rest_(source_) {}

  Result<std::vector<Token>> run() {
    while (!rest_.empty()) {
      RQ_CHECK(next_text());
      if (tokens_.size() > kMostTokens) return refused("a template of over 100,000 tokens");
    }
    add(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

 private:
  Error fail(std::string message) const {
    return corrupt(fmt::format("line {}: {}", line_, message));
  }

  void add(TokenKind kind, std::string text) {
    if (kind == TokenKind::kData && text.empty()) return;
    tokens_.push_back({kind, std::move(text), line_});
  }

  void skip(std::size_t bytes) {
    const std::string_view gone = rest_.substr(0, bytes);
    line_ += static_cast<int>(std::ranges::count(gone, '\n'));
    if (!gone.empty()) line_starts_ = gone.back() == '\n';
    rest_.remove_prefix(bytes);
  }
  void skip_space() { skip(rest_.size() - stripped(rest_, Sides::kLeft).size()); }

  bool at(std::string_view text) const { return rest_.starts_with(text); }

  // The text before a tag: `sign` is what stands behind the tag's beginning.
  std::string before_tag(std::string_view text, char sign, bool is_variable) const {
    if (sign == '-') return std::string(stripped(text, Sides::kRight));
    if (sign == '+' || is_variable) return std::string(text);
    const std::size_t line = text.rfind('\n') + 1;  // 0 where there is none
    const bool whole_line = line > 0 || line_starts_;
    const bool blank = stripped(text.substr(line), Sides::kLeft).empty();
    return std::string(whole_line && blank ? text.substr(0, line) : text);
  }

  static char sign_at(std::string_view text) {
    return !text.empty() && (text[0] == '-' || text[0] == '+') ? text[0] : '\0';
  }

  // The text up to the next tag, and that tag.
  Result<void> next_text() {
    std::size_t tag = 0;
    for (; tag + 1 < rest_.size(); ++tag) {
      const char kind = rest_[tag + 1];
      if (rest_[tag] == '{' && (kind == '%' || kind == '{' || kind == '#')) break;
    }
    if (tag + 1 >= rest_.size()) {
      add(TokenKind::kData, std::string(rest_));
      skip(rest_.size());
      return {};
    }
    const char kind = rest_[tag + 1];
    const char sign = sign_at(rest_.substr(tag + 2));
    add(TokenKind::kData, before_tag(rest_.substr(0, tag), sign, kind == '{'));
    skip(tag + 2 + (sign == '\0' ? 0 : 1));
    if (kind == '#') return comment();
    if (kind == '{') return expression(TokenKind::kVariableBegin);
    if (const std::size_t raw = raw_tag_size(); raw > 0) return raw_text(raw);
    return expression(TokenKind::kBlockBegin);
  }

  // Of "raw %}" here, 0 where it is not.
  std::size_t raw_tag_size() const {
    std::string_view text = stripped(rest_, Sides::kLeft);
    if (!text.starts_with("raw")) return 0;
    text = stripped(text.substr(3), Sides::kLeft);
    if (text.starts_with("%}")) return rest_.size() - text.size() + 2;
    if (!text.starts_with("-%}")) return 0;
    return rest_.size() - stripped(text.substr(3), Sides::kLeft).size();
  }

  Result<void> raw_text(std::size_t tag_size) {
    skip(tag_size);
    for (std::size_t tag = rest_.find("{%"); tag != std::string_view::npos;
         tag = rest_.find("{%", tag + 1)) {
      std::string_view text = rest_.substr(tag + 2);
      const char sign = sign_at(text);
      text = stripped(text.substr(sign == '\0' ? 0 : 1), Sides::kLeft);
      if (!text.starts_with("endraw")) continue;
      text = stripped(text.substr(6), Sides::kLeft);
      if (!text.starts_with("%}") && !text.starts_with("-%}") && !text.starts_with("+%}")) continue;
      add(TokenKind::kData, before_tag(rest_.substr(0, tag), sign, false));
      skip(rest_.size() - text.size());
      skip_end("%}");
      return {};
    }
    return fail("'raw' without its 'endraw'");
  }

  // The end of a tag and what white space goes with it.
  void skip_end(std::string_view end) {
    const bool minus = at("-");
    const bool plus = at("+");
    skip((minus || plus ? 1 : 0) + end.size());
    if (minus) {
      skip_space();
    } else if (!plus && at("\n") && end != "}}") {
      skip(1);
    }
  }

  Result<void> comment() {
    const std::size_t end = rest_.find("#}");
    if (end == std::string_view::npos) return fail("a comment without its end");
    const bool signed_end = end > 0 && (rest_[end - 1] == '-' || rest_[end - 1] == '+');
    skip(signed_end ? end - 1 : end);
    skip_end("#}");
    return {};
  }

  Result<void> expression(TokenKind begin) {
    const bool variable = begin == TokenKind::kVariableBegin;
    const std::string_view end = variable ? "}}" : "%}";
    add(begin, {});
    std::string open;  // brackets that are to be closed
    while (true) {
      skip_space();
      if (rest_.empty()) return fail("the template ends inside of a tag");
      const bool plus = !variable && at("+") && rest_.substr(1).starts_with(end);
      const bool minus = at("-") && rest_.substr(1).starts_with(end);
      if (open.empty() && (at(end) || plus || minus)) {
        add(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, {});
        skip_end(end);
        return {};
      }
      RQ_CHECK(token(open));
      if (tokens_.size() > kMostTokens) return refused("a template of over 100,000 tokens");
    }
  }

  Result<void> token(std::string& open) {
    const char c = rest_[0];
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"') return string(c);
    const std::size_t name = name_size();
    if (name > 0) {
      if (!is_identifier(rest_.substr(0, name)))
        return fail("a name with a character that is none");
      add(TokenKind::kName, std::string(rest_.substr(0, name)));
      skip(name);
      return {};
    }
    return sign(open);
  }

  std::size_t name_size() const {
    std::size_t size = 0;
    while (size < rest_.size()) {
      const CodePoint point = first_code_point(rest_.substr(size));
      if (point.value != '_' && !is_word(point.value)) break;
      size += point.size;
    }
    return size;
  }

  std::size_t digits_from(std::size_t at) const {
    while (at < rest_.size() &&
           (is_digit(rest_[at]) ||
            (rest_[at] == '_' && at + 1 < rest_.size() && is_digit(rest_[at + 1])))) {
      ++at;
    }
    return at;
  }

  Result<void> number() {
    std::size_t size = digits_from(0);
    const std::size_t whole = size;
    if (size == 1 && rest_.size() > 2 && rest_[0] == '0') {
      constexpr std::string_view kBases = "xXoObB";
      if (kBases.find(rest_[1]) != std::string_view::npos) {
        return fail("a number that is not decimal");
      }
    }
    // A dot before it makes it an item's number: a.1.2
    const bool item = !tokens_.empty() && tokens_.back().is_operator(".");
    if (!item && size + 1 < rest_.size() && rest_[size] == '.' && is_digit(rest_[size + 1])) {
      size = digits_from(size + 1);
    }
    if (!item && size < rest_.size() && (rest_[size] == 'e' || rest_[size] == 'E')) {
      std::size_t exponent = size + 1;
      if (exponent < rest_.size() && (rest_[exponent] == '+' || rest_[exponent] == '-')) ++exponent;
      if (exponent < rest_.size() && is_digit(rest_[exponent])) size = digits_from(exponent);
    }
    return add_number(size == whole ? TokenKind::kInteger : TokenKind::kFloat, size);
  }

  Result<void> add_number(TokenKind kind, std::size_t size) {
    std::string text(rest_.substr(0, size));
    std::erase(text, '_');
    add(kind, std::move(text));
    skip(size);
    return {};
  }

  Result<void> string(char quote) {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return fail("a text without its closing quote");
    auto text = string_literal(rest_.substr(1, end - 1));
    if (!text) return fail(text.error().message());
    add(TokenKind::kString, *std::move(text));
    skip(end + 1);
    return {};
  }

  Result<void> sign(std::string& open) {
    constexpr std::string_view kSigns[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                           "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                           ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (const std::string_view sign : kSigns) {
      if (!at(sign)) continue;
      if (sign == "(") open += ')';
      if (sign == "[") open += ']';
      if (sign == "{") open += '}';
      if (sign == ")" || sign == "]" || sign == "}") {
        if (open.empty() || open.back() != sign[0])
          return fail(fmt::format("unexpected '{}'", sign));
        open.pop_back();
      }
      add(TokenKind::kOperator, std::string(sign));
      skip(sign.size());
      return {};
    }
    return fail("unexpected character " + in_quotes(rest_.substr(0, point_size(rest_))));
  }

  std::string source_;
  std::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool line_starts_ = true;
};

}  // namespace

Result<std::vector<Token>> tokens_of(std::string_view source) {
  return Lexer(with_plain_lines(source)).run();
}

}  // namespace requant::jinja
