#pragma once

#include <cstdint>
#include <map>
#include <memory>
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
  // Copying shares, and cannot fail: libstdc++ 12 destroys what was never there when the copy of a
  // string in a variant throws, as it takes a variant of such types to hold a value always.
  std::variant<std::monostate, bool, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>>
      held;

  FactValue() = default;
  FactValue(bool value) : held(value) {}                               // NOLINT: implicit by design
  FactValue(int value) : held(static_cast<double>(value)) {}           // NOLINT
  FactValue(std::int64_t value) : held(static_cast<double>(value)) {}  // NOLINT
  FactValue(double value) : held(value) {}                             // NOLINT
  FactValue(const char* text) : FactValue(std::string(text)) {}        // NOLINT
  FactValue(std::string_view text) : FactValue(std::string(text)) {}   // NOLINT
  FactValue(std::string text)                                          // NOLINT
      : held(std::make_shared<const std::string>(std::move(text))) {}
  FactValue(List items)  // NOLINT
      : held(std::make_shared<const List>(std::move(items))) {}

  bool is_null() const { return held.index() == 0; }
  // A number, or a truth value as 0 or 1, as the engines' Python compares them.
  std::optional<double> number() const;
  const std::string* text() const { return shared<std::string>(); }
  const List* list() const { return shared<List>(); }
  bool truthy() const;

  friend bool operator==(const FactValue& a, const FactValue& b);

 private:
  template <class T>
  const T* shared() const {
    const auto* found = std::get_if<std::shared_ptr<const T>>(&held);
    return found == nullptr ? nullptr : found->get();
  }
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
