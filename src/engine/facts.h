#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"

namespace requant {

// What a predicate compares: null, a truth value, a number, a text or a list of these.
struct FactValue {
  using List = std::vector<FactValue>;
  std::variant<std::monostate, bool, double, std::string, List> held;

  FactValue() = default;
  FactValue(bool value) : held(value) {}                               // NOLINT: implicit by design
  FactValue(int value) : held(static_cast<double>(value)) {}           // NOLINT
  FactValue(std::int64_t value) : held(static_cast<double>(value)) {}  // NOLINT
  FactValue(double value) : held(value) {}                             // NOLINT
  FactValue(const char* text) : held(std::string(text)) {}             // NOLINT
  FactValue(std::string_view text) : held(std::string(text)) {}        // NOLINT
  FactValue(std::string text) : held(std::move(text)) {}               // NOLINT
  FactValue(List items) : held(std::move(items)) {}                    // NOLINT

  bool is_null() const { return held.index() == 0; }
  // A number, or a truth value as 0 or 1, as the engines' Python compares them.
  std::optional<double> number() const;
  const std::string* text() const { return std::get_if<std::string>(&held); }
  const List* list() const { return std::get_if<List>(&held); }
  bool truthy() const;

  friend bool operator==(const FactValue& a, const FactValue& b);
};

// Objects become the list of their keys.
FactValue value_of(const Json& json);
std::string to_text(const FactValue& value);

// What is known about a checkpoint, a weight and a device, by name (data/engines/README.md). A fact
// that is absent is not known. Cheap to layer: a weight's facts stand on those of its checkpoint.
class EngineFacts {
 public:
  EngineFacts() = default;
  // `parent` must outlive this.
  explicit EngineFacts(const EngineFacts* parent) : parent_(parent) {}

  void set(std::string_view name, FactValue value);
  // "cfg.a.b" is read from `json` ("cfg.a.*.b" from all members of a) where prefix is "cfg", when
  // no fact of that name was set; an absent key is null. `json` must outlive this; nullptr: every
  // key is absent.
  void set_object(std::string_view prefix, const Json* json);

  // Nothing: not known. Understands "a % b", "a % 32 // b" and "len(a)".
  std::optional<FactValue> find(std::string_view name) const;

 private:
  std::optional<FactValue> stored(std::string_view name) const;
  std::optional<FactValue> from_objects(std::string_view name) const;
  std::optional<FactValue> remainder(std::string_view dividend, std::string_view divisor) const;

  const EngineFacts* parent_ = nullptr;
  std::map<std::string, FactValue, std::less<>> values_;
  std::map<std::string, const Json*, std::less<>> objects_;
};

}  // namespace requant
