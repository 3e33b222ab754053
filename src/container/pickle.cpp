#include "container/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "container/pickle_machine.h"

namespace requant {

using Kind = PyValue::Kind;

consteval std::array<PickleMachine::Operation, 256> PickleMachine::operations() {
  std::array<Operation, 256> table{};
  table[0x80] = &PickleMachine::proto;
  table[0x95] = &PickleMachine::frame;
  table['.'] = &PickleMachine::stop;
  table['('] = &PickleMachine::mark;
  table['0'] = &PickleMachine::pop_one;
  table['1'] = &PickleMachine::pop_mark;
  table['N'] = &PickleMachine::none;
  table[0x88] = &PickleMachine::new_true;
  table[0x89] = &PickleMachine::new_false;
  table['J'] = &PickleMachine::bin_int;
  table['K'] = &PickleMachine::bin_int1;
  table['M'] = &PickleMachine::bin_int2;
  table[0x8A] = &PickleMachine::long1;
  table['G'] = &PickleMachine::bin_float;
  table['X'] = table['T'] = &PickleMachine::text4;
  table['U'] = table[0x8C] = &PickleMachine::text1;
  table[0x8D] = &PickleMachine::text8;
  table['C'] = &PickleMachine::bytes1;
  table['B'] = &PickleMachine::bytes4;
  table[0x8E] = &PickleMachine::bytes8;
  table[')'] = &PickleMachine::empty_tuple;
  table['t'] = table['l'] = &PickleMachine::tuple;
  table[0x85] = &PickleMachine::tuple_of<1>;
  table[0x86] = &PickleMachine::tuple_of<2>;
  table[0x87] = &PickleMachine::tuple_of<3>;
  table[']'] = &PickleMachine::empty_list;
  table['a'] = &PickleMachine::append;
  table['e'] = &PickleMachine::appends;
  table['}'] = &PickleMachine::empty_dict;
  table['d'] = &PickleMachine::dict;
  table['s'] = &PickleMachine::set_item;
  table['u'] = &PickleMachine::set_items;
  table['h'] = &PickleMachine::get1;
  table['j'] = &PickleMachine::get4;
  table['q'] = &PickleMachine::put1;
  table['r'] = &PickleMachine::put4;
  table[0x94] = &PickleMachine::memoize;
  table['c'] = &PickleMachine::global;
  table[0x93] = &PickleMachine::stack_global;
  table['Q'] = &PickleMachine::persistent_id;
  table['R'] = &PickleMachine::reduce;
  table['b'] = &PickleMachine::build;
  return table;
}

Result<PyObjects> PickleMachine::run() {
  static constexpr auto kOperations = operations();
  for (std::size_t count = 0; !stopped_; ++count) {
    if (count == PickleLimits::kOperations) return refused("pickle: too many operations");
    const std::uint8_t code = reader_.u8();
    if (!reader_.ok()) return corrupt("pickle: cut short");
    const Operation operation = kOperations[code];
    if (operation == nullptr) {
      return refused(fmt::format("refuses pickle operation 0x{:02x} at byte {}", code,
                                 reader_.position() - 1));
    }
    const bool done = (this->*operation)();
    if (!reader_.ok()) return corrupt("pickle: cut short");
    if (!done) return *std::move(error_);
  }
  return std::move(objects_);
}

bool PickleMachine::stop() {
  stopped_ = true;
  return pop(objects_.root);
}

bool PickleMachine::pop_to_mark(std::vector<PyValue>& values) {
  const auto found = std::find_if(stack_.rbegin(), stack_.rend(),
                                  [](PyValue value) { return value.kind == Kind::kMark; });
  if (found == stack_.rend()) return malformed("no mark on the stack");
  values.assign(found.base(), stack_.end());
  stack_.erase(found.base() - 1, stack_.end());
  return true;
}

bool PickleMachine::long1() {
  const auto bytes = reader_.take(reader_.u8());
  if (bytes.size() > 8) return fail(refused("pickle: an integer of more than 64 bits"));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  const bool negative = !bytes.empty() && std::to_integer<int>(bytes.back()) >= 0x80;
  if (negative && bytes.size() < 8) value |= ~std::uint64_t{0} << (8 * bytes.size());
  return push_int(std::bit_cast<std::int64_t>(value));
}

bool PickleMachine::text(std::uint64_t size) {
  if (size > PickleLimits::kText) return fail(refused("pickle: a text of " + human_bytes(size)));
  const std::size_t begin = reader_.position();
  reader_.skip(size);
  if (!reader_.ok()) return false;
  const std::string_view text = objects_.pickle.text().substr(begin, size);
  return new_object(objects_.texts, text, Kind::kText);
}

template <std::size_t kCount>
bool PickleMachine::tuple_of() {
  std::vector<PyValue> values(kCount);
  for (std::size_t i = kCount; i-- > 0;) {
    if (!pop(values[i])) return false;
  }
  return new_object(objects_.sequences, std::move(values), Kind::kSequence);
}

bool PickleMachine::append() {
  PyValue value;
  return pop(value) && !stack_.empty() ? add_to_list(stack_.back(), std::span(&value, 1))
                                       : malformed("nothing to append to");
}

bool PickleMachine::appends() {
  std::vector<PyValue> values;
  if (!pop_to_mark(values)) return false;
  return stack_.empty() ? malformed("nothing to append to") : add_to_list(stack_.back(), values);
}

bool PickleMachine::dict() {
  std::vector<PyValue> values;
  return pop_to_mark(values) && empty_dict() && add_to_dict(stack_.back(), values);
}

bool PickleMachine::set_item() {
  std::array<PyValue, 2> item;
  if (!pop(item[1]) || !pop(item[0])) return false;
  return stack_.empty() ? malformed("nothing to add an item to") : add_to_dict(stack_.back(), item);
}

bool PickleMachine::set_items() {
  std::vector<PyValue> values;
  if (!pop_to_mark(values)) return false;
  return stack_.empty() ? malformed("nothing to add items to") : add_to_dict(stack_.back(), values);
}

bool PickleMachine::add_to_dict(PyValue to, std::span<const PyValue> keys_and_values) {
  if (to.kind != Kind::kDict || keys_and_values.size() % 2 != 0) {
    return malformed("items for what is no dict");
  }
  auto& dict = objects_.dicts[index(to)];
  for (std::size_t i = 0; i < keys_and_values.size(); i += 2) {
    dict.emplace_back(keys_and_values[i], keys_and_values[i + 1]);
  }
  return true;
}

// Place 0 is the empty tuple that all share.
bool PickleMachine::add_to_list(PyValue to, std::span<const PyValue> values) {
  if (to.kind != Kind::kSequence || to.number == 0) return malformed("items for what is no list");
  auto& list = objects_.sequences[index(to)];
  list.insert(list.end(), values.begin(), values.end());
  return true;
}

bool PickleMachine::get(std::size_t number) {
  if (number >= memo_.size() || memo_[number].kind == Kind::kMark) {
    return malformed(fmt::format("nothing under memo number {}", number));
  }
  return push(memo_[number]);
}

bool PickleMachine::put(std::size_t number) {
  if (stack_.empty() || stack_.back().kind == Kind::kMark) return malformed("an empty stack");
  if (number > memo_.size() + PickleLimits::kMemoGap)
    return fail(refused("pickle: memo numbers leap"));
  if (number >= memo_.size()) memo_.resize(number + 1, {Kind::kMark, 0});
  memo_[number] = stack_.back();
  return true;
}

Result<PyObjects> read_pickle(Bytes pickle) { return PickleMachine(std::move(pickle)).run(); }

}  // namespace requant
