#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace requant {

// Text that is markup already.
struct Html {
  std::string text;
};

// Text for an element or an attribute in double quotes: no markup, no control characters.
std::string escaped_html(std::string_view text);

// Builds markup. Every text that is filled into a template is escaped, unless its type says that it
// is markup; so a name from a file cannot become an element.
template <class... Values>
Html html(std::string_view pattern, const Values&... values) {
  [[maybe_unused]] const auto fill = []<class Value>(const Value& value) {
    if constexpr (std::is_same_v<Value, Html>) {
      return value.text;
    } else if constexpr (std::is_arithmetic_v<Value>) {
      return value;
    } else {
      return escaped_html(value);
    }
  };
  return {fmt::format(fmt::runtime(pattern), fill(values)...)};
}

class HtmlWriter {
 public:
  template <class... Values>
  void add(std::string_view pattern, const Values&... values) {
    text_ += html(pattern, values...).text;
  }
  Html take() && { return {std::move(text_)}; }

 private:
  std::string text_;
};

}  // namespace requant
