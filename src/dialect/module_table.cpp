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

namespace {

bool is_of(std::string_view tensor, std::string_view module) {
  if (module.empty()) return split_tensor_name(tensor).first.empty();
  return tensor.size() > module.size() && tensor[module.size()] == '.' &&
         tensor.starts_with(module) && tensor.find('.', module.size() + 1) == tensor.npos;
}

}  // namespace

ModuleTable::ModuleTable(const Source& source) {
  const std::span<const TensorInfo> tensors = source.tensors();
  const auto name_of = [this](std::uint32_t i) { return modules_[i].module; };
  for (std::size_t i = 0, end = 0; i < tensors.size(); i = end) {
    // Mostly the tensors of a module are neighbours.
    const std::string_view module = split_tensor_name(tensors[i].name).first;
    end = i + 1;
    while (end < tensors.size() && is_of(tensors[end].name, module)) ++end;
    auto index = static_cast<std::uint32_t>(modules_.size());
    if (by_name_.insert(module, index, name_of, &index)) {
      modules_.push_back({.module = module, .parts = {}});
    }
    auto& parts = modules_[index].parts;
    // Later ones grow as they come: to make room for each alone would copy all of them each time.
    if (parts.empty()) parts.reserve(end - i);
    for (std::size_t at = i; at < end; ++at) {
      const std::string_view name = tensors[at].name;
      const std::string_view suffix =
          module.empty() ? split_tensor_name(name).second : name.substr(module.size() + 1);
      parts.emplace_back(suffix, &tensors[at]);
      suffixes_.try_emplace(suffix, index);
    }
  }
}

const ModuleTensors* ModuleTable::find(std::string_view module) const {
  const std::uint32_t at =
      by_name_.find(module, [this](std::uint32_t i) { return modules_[i].module; });
  return at == NameIndex::kNone ? nullptr : &modules_[at];
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
