#include "dialect/module_table.h"

#include <fmt/format.h>

#include "base/text.h"

namespace requant {

std::pair<std::string_view, std::string_view> split_tensor_name(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {std::string_view(), name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

const TensorInfo* ModuleTensors::find(std::string_view suffix) const {
  for (const auto& [name, tensor] : parts) {
    if (name == suffix) return tensor;
  }
  return nullptr;
}

ModuleTable::ModuleTable(const Source& source) {
  by_name_.reserve(source.tensors().size());
  for (const TensorInfo& tensor : source.tensors()) {
    const auto [module, suffix] = split_tensor_name(tensor.name);
    const auto [at, is_new] = by_name_.try_emplace(module, modules_.size());
    if (is_new) modules_.push_back({.module = module, .parts = {}});
    modules_[at->second].parts.emplace_back(suffix, &tensor);
    suffixes_.try_emplace(suffix, at->second);
  }
}

const ModuleTensors* ModuleTable::find(std::string_view module) const {
  const auto at = by_name_.find(module);
  return at == by_name_.end() ? nullptr : &modules_[at->second];
}

const ModuleTensors* ModuleTable::first_with(std::string_view suffix) const {
  const auto at = suffixes_.find(suffix);
  return at == suffixes_.end() ? nullptr : &modules_[at->second];
}

std::string describe(const TensorInfo& tensor) {
  return fmt::format("{} is {} {}", printable(tensor.name), name_of(tensor.dtype),
                     to_string(tensor.shape));
}

}  // namespace requant
