// JSON text: what is read is written and read again as the same, and edits do what they say.
#include "base/json.h"

#include "target.h"

namespace requant::fuzz {
namespace {

// The views of a value agree with its kind.
void look_at(const Json& value) {
  require(value.as_bool().has_value() == (value.kind() == Json::Kind::kBool), "a bool is one");
  require(value.as_string().has_value() == value.is_string(), "a string is one");
  require(value.is_number() != value.spelling().empty(), "a number has a spelling");
  const auto whole = value.as_int();
  if (whole && *whole > 0) {
    require(value.as_uint() == static_cast<std::uint64_t>(*whole), "integers agree");
  }
  if (whole) require(value.as_double().has_value(), "an integer is a number");
  for (const Json& item : value.items()) look_at(item);
  for (const auto& [key, member] : value.members()) {
    require(value.find(key) == &member && value.at({key}) == &member, "a member is found");
    look_at(member);
  }
}

void edit(Json value) {
  if (!value.is_object()) return;
  require(value.at({"no", "such", "key"}) == nullptr || value.find("no") != nullptr, "no path");
  const std::size_t size = value.members().size();
  const bool is_new = value.find("added") == nullptr;
  value.set("added", Json(0.1));
  value.set("added", Json(std::uint64_t{1} << 63));
  require(value.members().size() == size + (is_new ? 1 : 0), "a key is added once");
  require(value.find("added")->as_uint() == std::uint64_t{1} << 63, "a key is replaced");
  require(value.erase("added") && !value.erase("added"), "a key is erased once");
}

// In one of the four forms.
void write_and_read(const Json& json, std::size_t form) {
  const auto again = parse_json(json.dump(form % 2 == 0 ? 0 : 2, form / 2 % 2 == 0));
  require(again && *again == json, "what was written is read as the same");
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = requant::parse_json(text_of(data, size));
  if (!json) {
    require(json.error().message().find('\n') == std::string::npos, "a message of one line");
    return 0;
  }
  look_at(*json);
  edit(*json);
  write_and_read(*json, size);
  return 0;
}
