#include "report/html_writer.h"

#include "base/text.h"

namespace requant {

std::string escaped_html(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  std::string out;
  for (const char c : printable(text, kLongest)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace requant
