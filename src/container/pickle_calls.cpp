// What a pickle names and calls: globals, stored data, and the functions that rebuild tensors.
#include <fmt/format.h>

#include "base/text.h"
#include "container/pickle_machine.h"

namespace requant {

using Kind = PyValue::Kind;
using Role = PyGlobal::Role;

bool PickleMachine::line(std::string_view& text) {
  const std::size_t begin = reader_.position();
  while (reader_.ok() && reader_.position() - begin <= PickleLimits::kGlobalName) {
    if (reader_.u8() != '\n') continue;
    text = objects_.pickle.text().substr(begin, reader_.position() - 1 - begin);
    return reader_.ok();
  }
  return malformed("a global with too long a name");
}

bool PickleMachine::global() {
  std::string_view module;
  std::string_view name;
  return line(module) && line(name) && push_global(module, name);
}

bool PickleMachine::stack_global() {
  PyValue name;
  PyValue module;
  if (!pop(name) || !pop(module)) return false;
  if (name.kind != Kind::kText || module.kind != Kind::kText) {
    return malformed("a global without a name");
  }
  return push_global(objects_.texts[index(module)], objects_.texts[index(name)]);
}

bool PickleMachine::push_global(std::string_view module, std::string_view name) {
  const PyGlobal* global = find_py_global(module, name);
  if (global == nullptr) {
    const std::string full = fmt::format("{}.{}", module.substr(0, PickleLimits::kGlobalName),
                                         name.substr(0, PickleLimits::kGlobalName));
    return fail(refused("refuses pickle global " + in_quotes(full)));
  }
  return new_object(objects_.globals, global, Kind::kGlobal);
}

// ("storage", torch.FloatStorage, "0", "cpu", 1024): data that lies in the archive beside the
// pickle.
bool PickleMachine::persistent_id() {
  PyValue id;
  if (!pop(id)) return false;
  if (id.kind != Kind::kSequence) return malformed("an unknown persistent id");
  const auto& parts = objects_.sequences[index(id)];
  const auto text_at = [&](std::size_t i) {
    return parts[i].kind == Kind::kText ? objects_.texts[index(parts[i])] : std::string_view();
  };
  const PyGlobal* type = parts.size() >= 5 ? as_global(parts[1]) : nullptr;
  if (type == nullptr ||
      (type->role != Role::kTypedStorage && type->role != Role::kUntypedStorage) ||
      text_at(0) != "storage" || parts[2].kind != Kind::kText || parts[4].kind != Kind::kInt ||
      parts[4].number < 0) {
    return malformed("an unknown persistent id");
  }
  const PyStorage storage{type, text_at(2), static_cast<std::uint64_t>(parts[4].number)};
  return new_object(objects_.storages, storage, Kind::kStorage);
}

bool PickleMachine::reduce() {
  PyValue arguments;
  PyValue function;
  if (!pop(arguments) || !pop(function)) return false;
  const PyGlobal* global = as_global(function);
  if (global == nullptr || arguments.kind != Kind::kSequence)
    return malformed("a call of no function");
  return call(*global, objects_.sequences[index(arguments)]);
}

// Sets attributes in Python. Those of an OrderedDict (a state_dict's _metadata) and of a parameter
// do not matter here.
bool PickleMachine::build() {
  PyValue state;
  if (!pop(state)) return false;
  if (stack_.empty() ||
      (stack_.back().kind != Kind::kDict && stack_.back().kind != Kind::kTensor)) {
    return fail(refused("refuses to set the state of anything but a dict or a tensor"));
  }
  return true;
}

bool PickleMachine::call(const PyGlobal& function, const std::vector<PyValue>& arguments) {
  switch (function.role) {
    case Role::kOrderedDict:
      return ordered_dict(arguments);
    case Role::kTensor:
    case Role::kTensorV2:
    case Role::kTensorV3:
      return tensor(function.role, arguments);
    case Role::kParameter:
      if (arguments.empty() || arguments[0].kind != Kind::kTensor) break;
      return push(arguments[0]);
    case Role::kSize:
      if (arguments.size() != 1 || arguments[0].kind != Kind::kSequence) break;
      return push(arguments[0]);
    case Role::kDevice:
      return push(Kind::kDevice, 0);
    case Role::kTypedStorage:
    case Role::kUntypedStorage:
    case Role::kDType:
      break;
  }
  return malformed(
      fmt::format("{}.{} is called with what it does not take", function.module, function.name));
}

bool PickleMachine::ordered_dict(const std::vector<PyValue>& arguments) {
  std::vector<std::pair<PyValue, PyValue>> items;
  if (!arguments.empty()) {
    if (arguments[0].kind != Kind::kSequence) return malformed("an OrderedDict of no items");
    for (const PyValue item : objects_.sequences[index(arguments[0])]) {
      const auto* pair = item.kind == Kind::kSequence ? &objects_.sequences[index(item)] : nullptr;
      if (pair == nullptr || pair->size() != 2) return malformed("an OrderedDict of no items");
      items.emplace_back((*pair)[0], (*pair)[1]);
    }
  }
  return new_object(objects_.dicts, std::move(items), Kind::kDict);
}

bool PickleMachine::tensor(Role role, const std::vector<PyValue>& arguments) {
  const std::size_t least = role == Role::kTensor ? 4 : role == Role::kTensorV2 ? 6 : 7;
  if (arguments.size() < least || arguments[0].kind != Kind::kStorage ||
      arguments[1].kind != Kind::kInt || arguments[1].number < 0 ||
      arguments[2].kind != Kind::kSequence || arguments[3].kind != Kind::kSequence) {
    return malformed("a tensor is rebuilt of what is no storage, offset, size and stride");
  }
  PyTensor tensor{.storage = index(arguments[0]),
                  .offset = static_cast<std::uint64_t>(arguments[1].number),
                  .size = index(arguments[2]),
                  .stride = index(arguments[3])};
  const PyGlobal* type = objects_.storages[tensor.storage].type;
  tensor.dtype = role == Role::kTensorV3 ? as_global(arguments[6]) : type;
  const Role expected = role == Role::kTensorV3 ? Role::kDType : Role::kTypedStorage;
  if (tensor.dtype == nullptr || tensor.dtype->role != expected) {
    return malformed("a tensor is rebuilt without a dtype");
  }
  return new_object(objects_.tensors, tensor, Kind::kTensor);
}

}  // namespace requant
