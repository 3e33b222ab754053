#include "engine/predicate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace requant {

namespace {

// Predicates come from data files of this project; deeper ones are a mistake.
constexpr int kMaxDepth = 32;

constexpr auto kOps = std::to_array<std::pair<std::string_view, Operator>>({
    {"==", Operator::kEqual},
    {"!=", Operator::kNotEqual},
    {"<", Operator::kLess},
    {"<=", Operator::kLessOrEqual},
    {">", Operator::kGreater},
    {">=", Operator::kGreaterOrEqual},
    {"in", Operator::kIn},
    {"not_in", Operator::kNotIn},
    {"in_registry", Operator::kInRegistry},
    {"truthy", Operator::kTruthy},
    {"nonempty", Operator::kNonEmpty},
    {"startswith", Operator::kStartsWith},
    {"contains", Operator::kContains},
    {"missing_any", Operator::kMissingAny},
    {"no_match", Operator::kNoMatch},
    {"mixed", Operator::kMixed},
    {"not_pow2", Operator::kNotPowerOf2},
    {"single_endswith", Operator::kSingleEndsWith},
    {"not_accepted_by", Operator::kNotAcceptedBy},
});

Truth is_in(const FactValue& item, const FactValue& items) {
  if (items.list() == nullptr) return Truth::kUnknown;
  return truth_of(std::find(items.list()->begin(), items.list()->end(), item) !=
                  items.list()->end());
}

// Comparing what has no order (null with a number) is an error in the engines, so it tells nothing.
Truth compare(Operator op, const FactValue& a, const FactValue& b) {
  const auto x = a.number();
  const auto y = b.number();
  if (!x || !y) return Truth::kUnknown;
  switch (op) {
    case Operator::kLess:
      return truth_of(*x < *y);
    case Operator::kLessOrEqual:
      return truth_of(*x <= *y);
    case Operator::kGreater:
      return truth_of(*x > *y);
    default:
      return truth_of(*x >= *y);
  }
}

// `keys` are the keys of an object, `wanted` lists of alternatives.
Truth missing_any(const FactValue& keys, const FactValue& wanted) {
  if (wanted.list() == nullptr) return Truth::kUnknown;
  for (const FactValue& alternatives : *wanted.list()) {
    if (alternatives.list() == nullptr) return Truth::kUnknown;
    Truth present = Truth::kNo;
    for (const FactValue& key : *alternatives.list()) {
      present = present | (keys.list() == nullptr ? Truth::kNo : is_in(key, keys));
    }
    if (present == Truth::kNo) return Truth::kYes;
  }
  return Truth::kNo;
}

Truth single_ends_with(const FactValue& lists, const FactValue& ending) {
  if (lists.list() == nullptr || ending.text() == nullptr) return Truth::kUnknown;
  for (const FactValue& one : *lists.list()) {
    if (one.list() == nullptr || one.list()->size() != 1) continue;
    const std::string* item = one.list()->front().text();
    if (item != nullptr && item->ends_with(*ending.text())) return Truth::kYes;
  }
  return Truth::kNo;
}

Truth accepted_by(const FactValue& names, const FactValue& lists) {
  if (names.list() == nullptr || lists.list() == nullptr) return Truth::kUnknown;
  for (const FactValue& accepted : *lists.list()) {
    Truth all = Truth::kYes;
    for (const FactValue& name : *names.list()) all = all & is_in(name, accepted);
    if (all == Truth::kYes) return Truth::kYes;
  }
  return Truth::kNo;
}

// Of a list, or of any of several lists.
Truth contains(const FactValue& value, const FactValue& item) {
  Truth truth = is_in(item, value);
  if (value.list() == nullptr) return truth;
  for (const FactValue& inner : *value.list()) {
    if (inner.list() != nullptr) truth = truth | is_in(item, inner);
  }
  return truth;
}

Truth is_not_power_of_2(const FactValue& value) {
  const auto number = value.number();
  if (!number) return Truth::kUnknown;
  int exponent = 0;
  return truth_of(*number <= 0 || std::frexp(*number, &exponent) != 0.5);
}

Truth starts_with(const FactValue& value, const FactValue& prefix) {
  if (value.text() == nullptr || prefix.text() == nullptr) return Truth::kUnknown;
  return truth_of(value.text()->starts_with(*prefix.text()));
}

Truth apply(Operator op, const FactValue& a, const FactValue& b) {
  switch (op) {
    case Operator::kEqual:
      return truth_of(a == b);
    case Operator::kNotEqual:
      return truth_of(!(a == b));
    case Operator::kIn:
      return is_in(a, b);
    case Operator::kNotIn:
      return !is_in(a, b);
    case Operator::kInRegistry:
      return a.is_null() ? Truth::kYes : is_in(a, b);
    case Operator::kTruthy:
    case Operator::kNonEmpty:
      return truth_of(a.truthy());
    case Operator::kStartsWith:
      return starts_with(a, b);
    case Operator::kContains:
      return contains(a, b);
    case Operator::kMissingAny:
      return missing_any(a, b);
    case Operator::kNoMatch:
      return truth_of(a == FactValue("no_match"));
    case Operator::kMixed:
      return truth_of(a == FactValue("mixed"));
    case Operator::kNotPowerOf2:
      return is_not_power_of_2(a);
    case Operator::kNotAcceptedBy:
      return !accepted_by(a, b);
    case Operator::kSingleEndsWith:
      return single_ends_with(a, b);
    default:
      return compare(op, a, b);
  }
}

// "w", "act", "out", "kv" are themselves facts: there is such a thing, or not.
bool weight_field(std::string_view name) {
  for (const std::string_view root :
       {"w", "act", "out", "ct", "schemes", "kernels", "moe_schemes"}) {
    if (name == root) return true;
    if (name.starts_with(root) && (name[root.size()] == '.' || name[root.size()] == '['))
      return true;
  }
  return false;
}

}  // namespace

std::optional<Operator> op_named(std::string_view name) {
  for (const auto& [spelling, op] : kOps) {
    if (spelling == name) return op;
  }
  return std::nullopt;
}

Result<Predicate> Predicate::parse(const Json& json) { return parse(json, 0); }

Result<Predicate> Predicate::parse(const Json& json, int depth) {
  if (!json.is_object() || depth > kMaxDepth) return corrupt("not a predicate: " + json.dump());
  Predicate predicate;
  if (const Json* constant = json.find("const")) {
    predicate.constant_ = constant->as_bool().value_or(false);
    return predicate;
  }
  if (const Json* opaque = json.find("opaque")) {
    predicate.kind_ = Kind::kOpaque;
    predicate.text_ = opaque->as_string().value_or("");
    return predicate;
  }
  if (const Json* inner = json.find("not")) {
    predicate.kind_ = Kind::kNot;
    RQ_TRY(Predicate child, parse(*inner, depth + 1));
    predicate.children_ = std::make_shared<std::vector<Predicate>>(1, std::move(child));
    return predicate;
  }
  const Json* all = json.find("all");
  const Json* any = json.find("any");
  if (all == nullptr && any == nullptr) return parse_leaf(json);
  predicate.kind_ = all != nullptr ? Kind::kAll : Kind::kAny;
  auto children = std::make_shared<std::vector<Predicate>>();
  for (const Json& item : (all != nullptr ? all : any)->items()) {
    RQ_TRY(Predicate child, parse(item, depth + 1));
    children->push_back(std::move(child));
  }
  predicate.children_ = std::move(children);
  return predicate;
}

Result<Predicate> Predicate::parse_leaf(const Json& json) {
  Predicate leaf;
  leaf.kind_ = Kind::kLeaf;
  const Json* field = json.find("f");
  const Json* op = json.find("op");
  if (field == nullptr || !field->is_string() || op == nullptr || !op->is_string()) {
    return corrupt("not a predicate: " + json.dump());
  }
  const auto known = op_named(*op->as_string());
  if (!known) return corrupt("unknown operator in " + json.dump());
  leaf.op_ = *known;
  leaf.field_ = *field->as_string();
  if (const Json* other = json.find("field")) {
    leaf.against_field_ = true;
    leaf.text_ = other->as_string().value_or("");
  } else if (*known == Operator::kInRegistry) {
    leaf.against_field_ = true;
    leaf.text_ = "registry";
  } else if (const Json* value = json.find("v")) {
    leaf.value_ = value_of(*value);
  }
  return leaf;
}

Truth Predicate::evaluate_leaf(const EngineFacts& facts) const {
  const auto value = facts.find(field_);
  if (!value) return Truth::kUnknown;
  if (!against_field_) return apply(op_, *value, value_);
  const auto other = facts.find(text_);
  return other ? apply(op_, *value, *other) : Truth::kUnknown;
}

Truth Predicate::evaluate(const EngineFacts& facts) const {
  switch (kind_) {
    case Kind::kConst:
      return truth_of(constant_);
    case Kind::kOpaque:
      return Truth::kUnknown;
    case Kind::kNot:
      return !children_->front().evaluate(facts);
    case Kind::kLeaf:
      return evaluate_leaf(facts);
    case Kind::kAll: {
      Truth truth = Truth::kYes;
      for (const Predicate& child : *children_) {
        truth = truth & child.evaluate(facts);
        if (truth == Truth::kNo) break;
      }
      return truth;
    }
    case Kind::kAny: {
      Truth truth = Truth::kNo;
      for (const Predicate& child : *children_) {
        truth = truth | child.evaluate(facts);
        if (truth == Truth::kYes) break;
      }
      return truth;
    }
  }
  return Truth::kUnknown;
}

bool Predicate::about_a_weight() const {
  if (kind_ == Kind::kLeaf) {
    return weight_field(field_) || (against_field_ && weight_field(text_));
  }
  return children_ != nullptr &&
         std::any_of(children_->begin(), children_->end(),
                     [](const Predicate& child) { return child.about_a_weight(); });
}

std::string Predicate::unknown_reason(const EngineFacts& facts) const {
  if (evaluate(facts) != Truth::kUnknown) return "";
  if (kind_ == Kind::kOpaque)
    return text_.empty() ? "a condition of the source that was not translated" : text_;
  if (kind_ == Kind::kLeaf) return "'" + (facts.find(field_) ? text_ : field_) + "' is not known";
  for (const Predicate& child : *children_) {
    if (auto reason = child.unknown_reason(facts); !reason.empty()) return reason;
  }
  return "";
}

}  // namespace requant
