// A template: it parses or is refused in one line.
#include <string>

#include "base/text.h"
#include "target.h"
#include "text/jinja/template.h"

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = requant::jinja::Template::parse(text_of(data, size));
  if (!parsed) {
    const std::string& message = parsed.error().message();
    require(message.find('\n') == std::string::npos && valid_utf8(message),
            "a message of one line");
  }
  return 0;
}
