#pragma once

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/name_index.h"
#include "container/container.h"

namespace requant {

// "model.layers.0.mlp.up_proj.weight_scale" -> {"model.layers.0.mlp.up_proj", "weight_scale"}.
std::pair<std::string_view, std::string_view> split_tensor_name(std::string_view name);

// The tensors of one module, by what follows its name. Names and tensors belong to the Source.
struct ModuleTensors {
  std::string_view module;
  std::vector<std::pair<std::string_view, const TensorInfo*>> parts;

  // nullptr when the module has none of that suffix.
  const TensorInfo* find(std::string_view suffix) const;
};

// All tensors of a Source by module, in the order of their names.
class ModuleTable {
 public:
  explicit ModuleTable(const Source& source);

  const std::vector<ModuleTensors>& modules() const { return modules_; }
  const ModuleTensors* find(std::string_view module) const;
  // The first module that has a tensor of that suffix; nullptr when there is none.
  const ModuleTensors* first_with(std::string_view suffix) const;
  // Every suffix that occurs, with the first module that has it.
  const std::map<std::string_view, std::size_t>& suffixes() const { return suffixes_; }

 private:
  std::vector<ModuleTensors> modules_;
  NameIndex by_name_;
  std::map<std::string_view, std::size_t> suffixes_;
};

// "model.layers.0.mlp.up_proj.scale is F32 [1536, 1]".
std::string describe(const TensorInfo& tensor);

}  // namespace requant
