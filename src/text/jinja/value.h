#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/jinja/budget.h"

namespace requant::jinja {

enum class Kind : std::uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kText,
  kList,
  kTuple,
  kRange,
  kKeys,  // of a dict; views as Python has them
  kValues,
  kItems,
  kIterator,  // can be gone through once
  kDict,
  kNamespace,
  kCallable,
  kLoop,
};

class Value;
using Members = std::vector<std::pair<Value, Value>>;

struct Text;
struct Sequence;
struct Iterator;
struct Dict;
struct Namespace;
struct Callable;
struct Loop;

// A value as Python would have it. Values are never changed; what a namespace holds is. Copies are
// cheap.
class Value {
 public:
  Value() = default;  // undefined
  static Value undefined(std::string why);
  static Value none();
  static Value boolean(bool value);
  static Value integer(std::int64_t value);
  static Value real(double value);
  // A text that counts against no budget.
  static Value constant(std::string text);
  static Value iterator(std::shared_ptr<const Iterator> iterator);
  static Value callable(std::shared_ptr<const Callable> callable);
  // REQUIRES: it outlives the value.
  static Value space(Namespace* space);
  static Value loop(std::shared_ptr<const Loop> loop);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_text() const { return kind_ == Kind::kText; }
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }
  // Has items().
  bool is_sequence() const { return kind_ >= Kind::kList && kind_ <= Kind::kItems; }

  bool as_bool() const { return integer_ != 0; }
  std::int64_t as_int() const { return integer_; }  // of integers and booleans
  double as_real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }

  // REQUIRES: the kind that each is of.
  const std::string& text() const;
  const std::vector<Value>& items() const;
  const Members& members() const;
  const Iterator& iterator() const;
  Namespace& space() const;
  const Callable& callable() const;
  const Loop& loop() const;

  // Of an undefined one: why.
  std::string why() const;
  // How many containers are inside of one another.
  int depth() const;
  // Whether both are the same object.
  bool same_object(const Value& other) const {
    return object_ != nullptr && object_ == other.object_;
  }
  // As Python calls its type: "str".
  std::string_view type() const;
  // What a range is printed as.
  std::string range_text() const;

 private:
  friend Result<Value> text_value(Budget&, std::string);
  friend Result<Value> sequence_value(Budget&, Kind, std::vector<Value>, std::string);
  friend Result<Value> dict_value(Budget&, Members);

  Value(Kind kind, std::shared_ptr<const void> object) : kind_(kind), object_(std::move(object)) {}
  template <class T>
  const T& as() const {
    return *static_cast<const T*>(object_.get());
  }

  Kind kind_ = Kind::kUndefined;
  union {
    std::int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<const void> object_;
};

// Each is kRefused where the budget has no room for it.
Result<Value> text_value(Budget& budget, std::string text);
// `printed` is what a range is printed as.
Result<Value> sequence_value(Budget& budget, Kind kind, std::vector<Value> items,
                             std::string printed = {});
Result<Value> list_value(Budget& budget, std::vector<Value> items);
Result<Value> dict_value(Budget& budget, Members members);

struct Iterator {
  Value items;               // a list
  std::optional<Error> end;  // what going beyond them meets
  mutable std::size_t at = 0;
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};

// As Python's bool().
bool truth(const Value& value);
// len(); kCorrupt for what has none.
Result<std::int64_t> length(Budget& budget, const Value& value);
// The items as a value that has items(). kCorrupt for what cannot be gone through.
Result<Value> items_of(Budget& budget, const Value& value);
Result<bool> equal(Budget& budget, const Value& a, const Value& b);
// a < b; kCorrupt for values without an order.
Result<bool> less(Budget& budget, const Value& a, const Value& b);
// `item in container`.
Result<bool> contains(Budget& budget, const Value& container, const Value& item);
// The value of a key, nullptr where there is none.
Result<const Value*> find_member(Budget& budget, const Members& members, const Value& key);
const Value* find_member(const Members& members, std::string_view key);
// Replaces it in its place, or appends it.
Result<void> set_member(Budget& budget, Members& members, Value key, Value value);
// Whether Python would take it as a key.
bool can_be_key(const Value& value);

}  // namespace requant::jinja
