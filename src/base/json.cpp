#include "base/json.h"

#include <fmt/format.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>

#include "base/name_index.h"
#include "base/text.h"

namespace requant {
namespace {

// NOLINTBEGIN(readability-identifier-naming,clang-diagnostic-unused-const-variable): RapidJSON's
// names.

// A full memory shows as std::bad_alloc, where RapidJSON's own allocator would hand out nullptr.
struct ThrowingAllocator {
  [[maybe_unused]] static const bool kNeedFree = true;
  static void* Malloc(std::size_t size) { return size == 0 ? nullptr : ::operator new(size); }
  static void* Realloc(void* old, std::size_t old_size, std::size_t size) {
    void* memory = Malloc(size);
    if (old_size > 0 && size > 0) std::memcpy(memory, old, std::min(old_size, size));
    Free(old);
    return memory;
  }
  static void Free(void* memory) { ::operator delete(memory); }
};

// NOLINTEND(readability-identifier-naming,clang-diagnostic-unused-const-variable)

// Notices a key that comes twice in one object. Most objects are tiny; the root of a header has
// 200,000 members.
class KeySet {
 public:
  bool insert(std::string_view key) {
    const auto number = static_cast<std::uint32_t>(ends_.size());
    if (number < kFew) {
      for (std::uint32_t i = 0; i < number; ++i) {
        if (key_of(i) == key) return false;
      }
    } else {
      const auto name_of = [this](std::uint32_t i) { return key_of(i); };
      for (auto i = static_cast<std::uint32_t>(index_.size()); i < number; ++i) {
        index_.insert(key_of(i), i, name_of);
      }
      if (!index_.insert(key, number, name_of)) return false;
    }
    text_ += key;
    ends_.push_back(text_.size());
    return true;
  }
  void clear() {
    text_.clear();
    ends_.clear();
    index_.clear();
  }

 private:
  static constexpr std::uint32_t kFew = 16;

  std::string_view key_of(std::uint32_t number) const {
    const std::size_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(text_).substr(begin, ends_[number] - begin);
  }

  std::string text_;  // all keys, one after the other
  std::vector<std::size_t> ends_;
  NameIndex index_;  // of all keys, once there are many
};

// RapidJSON's reader drives JsonEvents: it knows the grammar, this class adds the limits.
class Adapter {
 public:
  Adapter(JsonEvents& events, int depth_limit) : events_(events), depth_limit_(depth_limit) {}

  // NOLINTBEGIN(readability-identifier-naming): RapidJSON calls them so.
  bool Null() { return passed(events_.null()); }
  bool Bool(bool value) { return passed(events_.boolean(value)); }
  bool RawNumber(const char* text, unsigned size, bool) {
    return passed(events_.number({text, size}));
  }
  bool String(const char* text, unsigned size, bool) {
    return is_text({text, size}) && passed(events_.string({text, size}));
  }
  bool StartObject() { return deeper() && passed(events_.begin_object()); }
  bool EndObject(unsigned) {
    --depth_;
    return passed(events_.end_object());
  }
  bool StartArray() { return deeper() && passed(events_.begin_array()); }
  bool EndArray(unsigned) {
    --depth_;
    return passed(events_.end_array());
  }
  bool Key(const char* chars, unsigned size, bool) {
    const std::string_view text(chars, size);
    if (!is_text(text)) return false;
    last_key_ = text;
    if (!keys_[static_cast<std::size_t>(depth_) - 1].insert(text)) {
      return fail("key " + in_quotes(text) + " appears twice in one object");
    }
    return passed(events_.key(text));
  }

  // REQUIRES: RapidJSON never calls these, for numbers come as they were spelt.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  // NOLINTEND(readability-identifier-naming)

  // What was wrong, given what the reader found.
  std::string message(const rapidjson::ParseResult& result) const {
    if (!message_.empty()) return message_;
    const bool overflow = result.Code() == rapidjson::kParseErrorNumberTooBig;
    return fmt::format("{} at byte {}{}", overflow ? "number out of range" : "not valid JSON",
                       result.Offset(),
                       last_key_.empty() ? "" : ", after key " + in_quotes(last_key_));
  }

 private:
  // RapidJSON 1.1 takes the second half of a surrogate pair for a character when it stands alone:
  // "\udc97".
  bool is_text(std::string_view text) {
    for (auto at = text.find('\xED'); at != text.npos; at = text.find('\xED', at + 1)) {
      if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xA0) {
        return fail("half a surrogate pair in a string");
      }
    }
    return true;
  }
  bool passed(bool ok) { return ok || fail(events_.reason()); }
  bool fail(std::string message) {
    if (message_.empty()) message_ = std::move(message);
    return false;
  }
  bool deeper() {
    if (++depth_ > depth_limit_) return fail(fmt::format("nested deeper than {}", depth_limit_));
    if (keys_.size() < static_cast<std::size_t>(depth_)) keys_.emplace_back();
    keys_[static_cast<std::size_t>(depth_) - 1].clear();
    return true;
  }

  JsonEvents& events_;
  int depth_limit_;
  int depth_ = 0;
  std::vector<KeySet> keys_;  // by depth
  std::string last_key_;
  std::string message_;
};

class TreeBuilder final : public JsonEvents {
 public:
  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number(std::string_view text) override { return add(Json::number(std::string(text))); }
  bool string(std::string_view text) override { return add(Json(text)); }
  bool key(std::string_view text) override {
    key_.back() = text;
    return true;
  }
  bool begin_object() override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool begin_array() override { return open(Json::array()); }
  bool end_array() override { return close(); }

  Json take() { return std::move(root_); }

 private:
  bool open(Json value) {
    stack_.push_back(std::move(value));
    key_.emplace_back();
    return true;
  }
  bool close() {
    Json value = std::move(stack_.back());
    stack_.pop_back();
    key_.pop_back();
    return add(std::move(value));
  }
  bool add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().is_array()) {
      stack_.back().append(std::move(value));
    } else {
      stack_.back().members().emplace_back(std::move(key_.back()), std::move(value));
    }
    return true;
  }

  Json root_;
  std::vector<Json> stack_;
  std::vector<std::string> key_;  // of the object at the same height of stack_
};

void dump_string(std::string_view text, bool ascii, std::string& out) {
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, is_plain)) {
    out.append(1, '"').append(text).append(1, '"');
    return;
  }
  using nlohmann::detail::error_handler_t;
  out += nlohmann::json(text).dump(-1, ' ', ascii, error_handler_t::replace);
}

void dump_value(const Json& value, int indent, int level, bool ascii, std::string& out) {
  const auto new_line = [&](int to) {
    if (indent > 0) out.append("\n").append(static_cast<std::size_t>(indent) * to, ' ');
  };
  switch (value.kind()) {
    case Json::Kind::kNull:
      out += "null";
      return;
    case Json::Kind::kBool:
      out += *value.as_bool() ? "true" : "false";
      return;
    case Json::Kind::kNumber:
      out += value.spelling();
      return;
    case Json::Kind::kString:
      dump_string(*value.as_string(), ascii, out);
      return;
    case Json::Kind::kArray: {
      out += '[';
      bool first = true;
      for (const Json& item : value.items()) {
        if (!std::exchange(first, false)) out += indent > 0 ? "," : ", ";
        new_line(level + 1);
        dump_value(item, indent, level + 1, ascii, out);
      }
      if (!first) new_line(level);
      out += ']';
      return;
    }
    case Json::Kind::kObject: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : value.members()) {
        if (!std::exchange(first, false)) out += indent > 0 ? "," : ", ";
        new_line(level + 1);
        dump_string(key, ascii, out);
        out += ": ";
        dump_value(member, indent, level + 1, ascii, out);
      }
      if (!first) new_line(level);
      out += '}';
      return;
    }
  }
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Json::Json(std::int64_t value) : kind_(Kind::kNumber), text_(std::to_string(value)) {}
Json::Json(std::uint64_t value) : kind_(Kind::kNumber), text_(std::to_string(value)) {}
Json::Json(double value) : kind_(Kind::kNumber) {
  if (!std::isfinite(value)) {
    kind_ = Kind::kNull;  // JSON has no NaN and no infinity
    return;
  }
  text_ = fmt::format("{}", value);
  if (text_.find_first_of(".e") == std::string::npos) text_ += ".0";
}

Json Json::number(std::string text) {
  Json value(Kind::kNumber);
  value.text_ = std::move(text);
  return value;
}

Json Json::array(std::vector<Json> items) {
  Json value(Kind::kArray);
  value.items_ = std::move(items);
  return value;
}

Json Json::object(std::vector<Member> members) {
  Json value(Kind::kObject);
  value.members_ = std::move(members);
  return value;
}

std::optional<bool> Json::as_bool() const {
  return kind_ == Kind::kBool ? std::optional(bool_) : std::nullopt;
}
std::optional<std::int64_t> Json::as_int() const {
  return is_number() ? parse_number<std::int64_t>(text_) : std::nullopt;
}
std::optional<std::uint64_t> Json::as_uint() const {
  return is_number() ? parse_number<std::uint64_t>(text_) : std::nullopt;
}
std::optional<double> Json::as_double() const {
  return is_number() ? parse_number<double>(text_) : std::nullopt;
}
std::optional<std::string_view> Json::as_string() const {
  return is_string() ? std::optional<std::string_view>(text_) : std::nullopt;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members_) {
    if (name == key) return &value;
  }
  return nullptr;
}

Json* Json::find(std::string_view key) {
  for (auto& [name, value] : members_) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Json* Json::at(std::initializer_list<std::string_view> keys) const {
  const Json* value = this;
  for (const std::string_view key : keys) {
    if (value == nullptr) return nullptr;
    value = value->find(key);
  }
  return value;
}

Json& Json::set(std::string_view key, Json value) {
  kind_ = Kind::kObject;
  if (Json* old = find(key)) return *old = std::move(value);
  return members_.emplace_back(std::string(key), std::move(value)).second;
}

bool Json::erase(std::string_view key) {
  return std::erase_if(members_, [&](const Member& m) { return m.first == key; }) > 0;
}

std::string Json::dump(int indent, bool ascii) const {
  std::string out;
  dump_value(*this, indent, 0, ascii, out);
  return out;
}

Result<void> parse_json(std::string_view text, JsonEvents& events, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return refused("JSON of " + human_bytes(text.size()) + ", expected at most " +
                   human_bytes(limits.bytes));
  }
  if (text.starts_with("\xEF\xBB\xBF")) return corrupt("starts with a byte order mark");
  if (text.empty()) return corrupt("empty, expected JSON");
  // The parser would take a NUL for the end of the text.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return corrupt(fmt::format("not valid JSON at byte {}: NUL", nul));
  }
  Adapter adapter(events, limits.depth);
  ThrowingAllocator allocator;
  rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, ThrowingAllocator> reader(
      &allocator);
  rapidjson::MemoryStream stream(text.data(), text.size());
  constexpr unsigned kFlags =
      rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, adapter);
  if (result.IsError()) return corrupt(adapter.message(result));
  return {};
}

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  TreeBuilder builder;
  RQ_CHECK(parse_json(text, builder, limits));
  return builder.take();
}

}  // namespace requant
