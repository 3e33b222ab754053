#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/facts.h"

namespace requant {

// Kleene's three values.
enum class Truth : std::uint8_t { kNo, kUnknown, kYes };
constexpr Truth truth_of(bool value) { return value ? Truth::kYes : Truth::kNo; }
constexpr Truth operator!(Truth a) {
  return static_cast<Truth>(static_cast<int>(Truth::kYes) - static_cast<int>(a));
}
constexpr Truth operator&(Truth a, Truth b) { return a < b ? a : b; }
constexpr Truth operator|(Truth a, Truth b) { return a > b ? a : b; }

enum class Operator : std::uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,
  kNotIn,
  kInRegistry,  // in the fact "registry"; true where there is no method to look up
  kTruthy,
  kNonEmpty,
  kStartsWith,
  kContains,
  kMissingAny,  // of lists of alternative keys, one list has no key in the object
  kNoMatch,     // the fact says "no_match"
  kMixed,       // the fact says "mixed"
  kNotPowerOf2,
  kNotAcceptedBy,   // no list of names holds all the items
  kSingleEndsWith,  // one of several lists has exactly one item, and that ends with the value
};
std::optional<Operator> op_named(std::string_view name);

// A condition over facts, parsed once from the JSON of data/engines/README.md.
class Predicate {
 public:
  // kCorrupt for a shape or an operator that is not known.
  static Result<Predicate> parse(const Json& json);

  Truth evaluate(const EngineFacts& facts) const;

  // True when any field is about one weight (w.*, act.*, ct.*, ...) and not about the checkpoint.
  bool about_a_weight() const;
  // What keeps evaluate() from an answer: an opaque condition or a fact that is not known. Empty
  // when nothing does.
  std::string unknown_reason(const EngineFacts& facts) const;

 private:
  enum class Kind : std::uint8_t { kConst, kOpaque, kAll, kAny, kNot, kLeaf };

  static Result<Predicate> parse(const Json& json, int depth);
  static Result<Predicate> parse_leaf(const Json& json);
  Truth evaluate_leaf(const EngineFacts& facts) const;

  Kind kind_ = Kind::kConst;
  bool constant_ = true;
  Operator op_ = Operator::kEqual;
  bool against_field_ = false;
  std::string field_;
  std::string text_;  // the other field, or an opaque condition's words
  FactValue value_;
  // Shared: rules are copied for every version that has them.
  std::shared_ptr<const std::vector<Predicate>> children_;
};

}  // namespace requant
