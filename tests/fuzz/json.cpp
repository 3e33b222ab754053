// JSON text: what is read is written and read again as the same.
#include "base/json.h"

#include "target.h"

using requant::fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = requant::parse_json(requant::fuzz::text_of(data, size));
  if (!json) {
    require(json.error().message().find('\n') == std::string::npos, "a message of one line");
    return 0;
  }
  for (const int indent : {0, 2}) {
    for (const bool ascii : {false, true}) {
      const auto again = requant::parse_json(json->dump(indent, ascii));
      require(again && *again == *json, "what was written is read as the same");
    }
  }
  return 0;
}
