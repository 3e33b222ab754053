// What may stand after `is`.
#include "text/jinja/arithmetic.h"
#include "text/jinja/builtin.h"
#include "text/jinja/points.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Result<Value> answer(bool yes) { return Value::boolean(yes); }

template <Kind kKind>
Result<Value> is_a(const Bound& arguments) {
  return answer(arguments[0].is(kKind));
}

Result<Value> defined(const Bound& arguments) { return answer(!arguments[0].is_undefined()); }

template <bool kValue>
Result<Value> is_bool(const Bound& arguments) {
  return answer(arguments[0].is(Kind::kBool) && arguments[0].as_bool() == kValue);
}

Result<Value> number(const Bound& arguments) { return answer(arguments[0].is_number()); }

Result<Value> sequence(const Bound& arguments) {
  const Value& value = arguments[0];
  return answer(value.is_undefined() || value.is_text() || value.is(Kind::kList) ||
                value.is(Kind::kTuple) || value.is(Kind::kRange) || value.is(Kind::kDict));
}

Result<Value> iterable(const Bound& arguments) {
  const Value& value = arguments[0];
  return answer(value.is_undefined() || value.is_text() || value.is_sequence() ||
                value.is(Kind::kDict) || value.is(Kind::kIterator) || value.is(Kind::kLoop));
}

Result<Value> callable(const Bound& arguments) {
  return answer(arguments[0].is(Kind::kCallable) || arguments[0].is(Kind::kLoop) ||
                arguments[0].is_undefined());
}

template <bool kUpper>
Result<Value> in_case(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.str(0));
  return answer(has_quality(text, kUpper ? Quality::kUpper : Quality::kLower));
}

Result<Value> rest_is(const Bound& arguments, const Value& divisor, std::int64_t wanted) {
  RQ_TRY(const Value rest, calculate(arguments.renderer(), "%", arguments[0], divisor));
  RQ_TRY(const bool same, equal(arguments.budget(), rest, Value::integer(wanted)));
  return answer(same);
}

Result<Value> odd(const Bound& arguments) { return rest_is(arguments, Value::integer(2), 1); }
Result<Value> even(const Bound& arguments) { return rest_is(arguments, Value::integer(2), 0); }
Result<Value> divisible(const Bound& arguments) { return rest_is(arguments, arguments[1], 0); }

template <bool kWanted>
Result<Value> same(const Bound& arguments) {
  RQ_TRY(const bool found, equal(arguments.budget(), arguments[0], arguments[1]));
  return answer(found == kWanted);
}

template <bool kSwapped, bool kWanted>
Result<Value> ordered(const Bound& arguments) {
  const Value& a = arguments[kSwapped ? 1 : 0];
  const Value& b = arguments[kSwapped ? 0 : 1];
  RQ_TRY(const bool found, less(arguments.budget(), a, b));
  return answer(found == kWanted);
}

Result<Value> same_object(const Bound& arguments) {
  const Value& a = arguments[0];
  const Value& b = arguments[1];
  if (a.same_object(b)) return answer(true);
  if (a.kind() != b.kind()) return answer(false);
  const bool plain = a.is_none() || a.is(Kind::kBool) || a.is(Kind::kInt);
  return answer(plain && a.as_int() == b.as_int());
}

Result<Value> in(const Bound& arguments) {
  RQ_TRY(const bool found, contains(arguments.budget(), arguments[1], arguments[0]));
  return answer(found);
}

Result<Value> is_filter(const Bound& arguments) {
  RQ_TRY(const std::string name, arguments.str(0));
  return answer(find_filter(name) != nullptr);
}

Result<Value> is_test(const Bound& arguments) {
  RQ_TRY(const std::string name, arguments.str(0));
  return answer(find_test(name) != nullptr);
}

Result<Value> never(const Bound&) { return answer(false); }

constexpr Builtin kTests[] = {
    {"defined", "value", 1, defined},
    {"undefined", "value", 1, is_a<Kind::kUndefined>},
    {"none", "value", 1, is_a<Kind::kNone>},
    {"boolean", "value", 1, is_a<Kind::kBool>},
    {"true", "value", 1, is_bool<true>},
    {"false", "value", 1, is_bool<false>},
    {"integer", "value", 1, is_a<Kind::kInt>},
    {"float", "value", 1, is_a<Kind::kFloat>},
    {"number", "value", 1, number},
    {"string", "value", 1, is_a<Kind::kText>},
    {"mapping", "value", 1, is_a<Kind::kDict>},
    {"sequence", "value", 1, sequence},
    {"iterable", "value", 1, iterable},
    {"callable", "value", 1, callable},
    {"lower", "value", 1, in_case<false>},
    {"upper", "value", 1, in_case<true>},
    {"odd", "value", 1, odd},
    {"even", "value", 1, even},
    {"divisibleby", "value num", 2, divisible},
    {"==", "value other", 2, same<true>},
    {"eq", "value other", 2, same<true>},
    {"equalto", "value other", 2, same<true>},
    {"!=", "value other", 2, same<false>},
    {"ne", "value other", 2, same<false>},
    {"<", "value other", 2, ordered<false, true>},
    {"lt", "value other", 2, ordered<false, true>},
    {"lessthan", "value other", 2, ordered<false, true>},
    {">", "value other", 2, ordered<true, true>},
    {"gt", "value other", 2, ordered<true, true>},
    {"greaterthan", "value other", 2, ordered<true, true>},
    {"<=", "value other", 2, ordered<true, false>},
    {"le", "value other", 2, ordered<true, false>},
    {">=", "value other", 2, ordered<false, false>},
    {"ge", "value other", 2, ordered<false, false>},
    {"sameas", "value other", 2, same_object},
    {"in", "value seq", 2, in},
    {"filter", "value", 1, is_filter},
    {"test", "value", 1, is_test},
    {"escaped", "value", 1, never},
};

}  // namespace

std::span<const Builtin> tests() { return kTests; }

}  // namespace requant::jinja
