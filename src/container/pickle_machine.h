#pragma once

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "container/pickle.h"

namespace requant {

// A checkpoint of 200,000 tensors needs 9 million operations and 2 million objects.
struct PickleLimits {
  static constexpr std::size_t kOperations = std::size_t{1} << 24;
  static constexpr std::size_t kObjects = std::size_t{1} << 22;
  static constexpr std::size_t kStack = std::size_t{1} << 21;
  static constexpr std::size_t kMemoGap = 1024;  // picklers number the memo from 0 or 1 upwards
  static constexpr std::size_t kGlobalName = 256;
  static constexpr std::uint64_t kText = std::uint64_t{1} << 20;
};

// The machine that a pickle is a program for: a stack, marks on it, and a memo of values by number.
// Only pickle.cpp and pickle_calls.cpp know it.
class PickleMachine {
 public:
  explicit PickleMachine(Bytes pickle) : reader_(pickle.span()) {
    objects_.pickle = std::move(pickle);
    objects_.sequences.emplace_back();  // every empty tuple
  }

  Result<PyObjects> run();

 private:
  using Operation = bool (PickleMachine::*)();
  static consteval std::array<Operation, 256> operations();

  // Errors: remembers the first and stops the run.
  bool fail(Error error) {
    if (!error_) error_ = std::move(error);
    return false;
  }
  bool malformed(std::string_view what) { return fail(corrupt("pickle: " + std::string(what))); }

  // The stack.
  bool push(PyValue value) {
    if (stack_.size() == PickleLimits::kStack) return fail(refused("pickle: too deep a stack"));
    stack_.push_back(value);
    return true;
  }
  bool push(PyValue::Kind kind, std::size_t number) {
    return push({kind, static_cast<std::int64_t>(number)});
  }
  bool pop(PyValue& value) {
    if (stack_.empty() || stack_.back().kind == PyValue::Kind::kMark)
      return malformed("an empty stack");
    value = stack_.back();
    stack_.pop_back();
    return true;
  }
  bool pop_to_mark(std::vector<PyValue>& values);
  template <class T>
  bool new_object(std::vector<T>& list, T object, PyValue::Kind kind) {
    if (++object_count_ > PickleLimits::kObjects) return fail(refused("pickle: too many objects"));
    list.push_back(std::move(object));
    return push(kind, list.size() - 1);
  }

  // Operations, named as in Python's pickletools.
  bool proto() {
    const int version = reader_.u8();
    if (version >= 2 && version <= 5) return true;
    return fail(refused(fmt::format("pickle protocol {}, expected 2 to 5", version)));
  }
  bool frame() {
    const std::uint64_t size = reader_.u64();
    return size <= reader_.left() || malformed("cut short");
  }
  bool stop();
  bool mark() { return push(PyValue::Kind::kMark, 0); }
  bool pop_one() {
    if (stack_.empty()) return malformed("an empty stack");
    stack_.pop_back();
    return true;
  }
  bool pop_mark() {
    std::vector<PyValue> values;
    return pop_to_mark(values);
  }
  bool none() { return push(PyValue::Kind::kNone, 0); }
  bool new_true() { return push(PyValue::Kind::kBool, 1); }
  bool new_false() { return push(PyValue::Kind::kBool, 0); }
  bool bin_int() { return push_int(static_cast<std::int32_t>(reader_.u32())); }
  bool bin_int1() { return push_int(reader_.u8()); }
  bool bin_int2() { return push_int(reader_.u16()); }
  bool long1();
  bool bin_float() {
    reader_.skip(8);
    return push(PyValue::Kind::kFloat, 0);
  }
  bool push_int(std::int64_t value) { return push({PyValue::Kind::kInt, value}); }

  bool text(std::uint64_t size);
  bool text1() { return text(reader_.u8()); }
  bool text4() { return text(reader_.u32()); }
  bool text8() { return text(reader_.u64()); }
  bool bytes(std::uint64_t size) {
    reader_.skip(size);
    return push(PyValue::Kind::kBytes, 0);
  }
  bool bytes1() { return bytes(reader_.u8()); }
  bool bytes4() { return bytes(reader_.u32()); }
  bool bytes8() { return bytes(reader_.u64()); }

  bool empty_tuple() { return push(PyValue::Kind::kSequence, 0); }
  bool empty_list() { return new_object(objects_.sequences, {}, PyValue::Kind::kSequence); }
  template <std::size_t kCount>
  bool tuple_of();
  bool tuple() {
    std::vector<PyValue> values;
    return pop_to_mark(values) &&
           new_object(objects_.sequences, std::move(values), PyValue::Kind::kSequence);
  }
  bool append();
  bool appends();
  bool empty_dict() { return new_object(objects_.dicts, {}, PyValue::Kind::kDict); }
  bool dict();
  bool set_item();
  bool set_items();
  bool add_to_dict(PyValue to, std::span<const PyValue> keys_and_values);
  bool add_to_list(PyValue to, std::span<const PyValue> values);

  bool get(std::size_t number);
  bool get1() { return get(reader_.u8()); }
  bool get4() { return get(reader_.u32()); }
  bool put(std::size_t number);
  bool put1() { return put(reader_.u8()); }
  bool put4() { return put(reader_.u32()); }
  bool memoize() { return put(memo_.size()); }

  bool global();
  bool stack_global();
  bool push_global(std::string_view module, std::string_view name);
  bool persistent_id();
  bool reduce();
  bool build();
  bool call(const PyGlobal& function, const std::vector<PyValue>& arguments);
  bool ordered_dict(const std::vector<PyValue>& arguments);
  bool tensor(PyGlobal::Role role, const std::vector<PyValue>& arguments);
  bool line(std::string_view& text);
  const PyGlobal* as_global(PyValue value) const {
    return value.kind == PyValue::Kind::kGlobal ? objects_.globals[index(value)] : nullptr;
  }
  static std::size_t index(PyValue value) { return static_cast<std::size_t>(value.number); }

  ByteReader reader_;
  PyObjects objects_;
  std::vector<PyValue> stack_;
  std::vector<PyValue> memo_;
  std::size_t object_count_ = 0;
  bool stopped_ = false;
  std::optional<Error> error_;
};

}  // namespace requant
