#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// What llama.cpp's mixes of block types look at in a model.
struct ModelShape {
  std::int64_t layers = 0;
  std::int64_t heads_per_kv = 1;
  std::int64_t experts = 0;
  bool has_output = true;       // a tensor of its own
  bool has_importance = false;  // an importance matrix is given
};
ModelShape shape_of_model(const Checkpoint& checkpoint);

// Which block type each tensor gets: a file of data/recipes.
class BlockRecipe {
 public:
  std::string name;  // "q4_k_m"
  std::string what;
  std::string source;
  std::uint32_t file_type = 0;  // general.file_type

  // That of the tensor which llama.cpp calls so ("blk.3.attn_v"), in the model.
  const std::string& type_of(std::string_view tensor, const ModelShape& model) const;

 private:
  friend std::vector<BlockRecipe> read_block_recipes();

  struct Rule {
    std::vector<std::string> tensors;
    std::string layers;                   // "more", "first 4", "first 1/8"; empty: all
    std::int64_t experts = 0;             // 0: any number
    std::int64_t heads_per_kv = 0;        // at least
    std::int64_t model_layers = 0;        // 0: any number
    std::optional<bool> importance = {};  // given or not
    std::string type;
  };
  static bool holds(const Rule& rule, std::string_view tensor, const ModelShape& model);

  std::string type_;
  std::vector<Rule> rules_;
};

// Those built in, by name.
std::span<const BlockRecipe> block_recipes();
// nullptr where there is none of that name.
const BlockRecipe* find_block_recipe(std::string_view name);

// The type of which rows of `cols` elements are whole blocks: `type`, or else what llama.cpp takes
// in its place; nothing where no type does.
std::optional<std::string> fitting_block_type(const std::string& type, std::int64_t cols);

}  // namespace requant
