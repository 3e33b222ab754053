#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace requant {

struct JsonLimits {
  std::uint64_t bytes = std::uint64_t{16} << 20;
  int depth = 64;
};

// A JSON value that keeps what editing a config.json must not lose: the order of keys and the
// spelling of numbers ("1e-05", "10000.0").
class Json {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string, Json>;

  Json() = default;
  Json(std::nullptr_t) {}                                             // NOLINT: implicit by design
  Json(bool value) : kind_(Kind::kBool), bool_(value) {}              // NOLINT
  Json(const char* text) : kind_(Kind::kString), text_(text) {}       // NOLINT
  Json(std::string_view text) : kind_(Kind::kString), text_(text) {}  // NOLINT
  Json(std::string text) : kind_(Kind::kString), text_(std::move(text)) {}  // NOLINT
  Json(int value) : Json(static_cast<std::int64_t>(value)) {}               // NOLINT
  Json(std::int64_t value);                                                 // NOLINT
  Json(std::uint64_t value);                                                // NOLINT
  Json(double value);                                                       // NOLINT
  static Json array() { return Json(Kind::kArray); }
  static Json array(std::vector<Json> items);
  static Json object() { return Json(Kind::kObject); }
  static Json object(std::vector<Member> members);
  // A number as it was spelt; `text` must be a JSON number.
  static Json number(std::string text);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_number() const { return kind_ == Kind::kNumber; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_object() const { return kind_ == Kind::kObject; }

  // Nothing unless the value is of that kind; integers also have to fit and to be spelt as
  // integers.
  std::optional<bool> as_bool() const;
  std::optional<std::int64_t> as_int() const;
  std::optional<std::uint64_t> as_uint() const;
  std::optional<double> as_double() const;
  std::optional<std::string_view> as_string() const;
  // A number as it was spelt; empty for every other kind.
  std::string_view spelling() const { return is_number() ? std::string_view(text_) : ""; }

  // The items of an array; empty for every other kind.
  const std::vector<Json>& items() const { return items_; }
  void append(Json item) { items_.push_back(std::move(item)); }

  // The members of an object in their order; empty for every other kind.
  const std::vector<Member>& members() const { return members_; }
  std::vector<Member>& members() { return members_; }
  // nullptr when this is no object or has no such key.
  const Json* find(std::string_view key) const;
  Json* find(std::string_view key);
  // find() along keys: at({"text_config", "hidden_size"}).
  const Json* at(std::initializer_list<std::string_view> keys) const;
  // Replaces the value in its place, or appends the key.
  Json& set(std::string_view key, Json value);
  bool erase(std::string_view key);

  // indent 0: one line. With `ascii`, everything beyond ASCII is written as \uXXXX.
  std::string dump(int indent = 0, bool ascii = false) const;

  friend bool operator==(const Json&, const Json&) = default;

 private:
  explicit Json(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::kNull;
  bool bool_ = false;
  std::string text_;  // a string, or a number as it was spelt
  std::vector<Json> items_;
  std::vector<Member> members_;
};

// Receives a document piece by piece; returning false stops the parse. Numbers come as they were
// spelt. Duplicate keys, too deep nesting and invalid text never arrive: the parse fails first.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  virtual bool null() = 0;
  virtual bool boolean(bool value) = 0;
  virtual bool number(std::string_view text) = 0;
  virtual bool string(std::string_view text) = 0;
  virtual bool key(std::string_view text) = 0;
  virtual bool begin_object() = 0;
  virtual bool end_object() = 0;
  virtual bool begin_array() = 0;
  virtual bool end_array() = 0;
  // Why an event returned false.
  virtual std::string reason() const { return "refused"; }
};

// kCorrupt for text that is not one JSON value in UTF-8 (no BOM, no comments, no NaN), has a key
// twice, or passes a limit; the message names the last key that was read.
Result<void> parse_json(std::string_view text, JsonEvents& events, const JsonLimits& limits = {});
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace requant
