#include "plan/block_recipe.h"

#include <algorithm>
#include <charconv>

#include "arch/gguf_family.h"
#include "base/embedded.h"
#include "base/json_at.h"
#include "base/letter_case.h"
#include "base/text.h"
#include "container/ggml_types.h"

namespace requant {

std::span<const EmbeddedFile> recipe_files();  // made by rq_embed()

namespace {

constexpr std::string_view kFallback = "fallback.json";
constexpr std::string_view kBlock = "blk.";
constexpr std::string_view kFirst = "first ";

std::int64_t leading_number(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "blk.3.attn_v" -> 3; 0 for tensors of no layer.
std::int64_t layer_of(std::string_view tensor) {
  return tensor.starts_with(kBlock) ? leading_number(tensor.substr(kBlock.size())) : 0;
}

// The first and the last eighth of the layers, and each third between.
bool gets_more_bits(std::int64_t layer, std::int64_t layers) {
  const std::int64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

bool is_among(std::string_view layers, std::int64_t layer, std::int64_t count) {
  if (layers.empty()) return true;
  if (layers == "more") return gets_more_bits(layer, count);
  const std::string_view first = layers.substr(kFirst.size());
  const std::size_t slash = first.find('/');
  const std::int64_t end = slash == std::string_view::npos
                               ? leading_number(first)
                               : count / leading_number(first.substr(slash + 1));
  return layer < end;
}

// What rules call the tensor: see data/recipes/README.md.
bool is_called(std::string_view tensor, std::string_view name, const ModelShape& model) {
  const std::string_view last = split_tensor_name(tensor).second;
  const bool is_head = last == "output" || (!model.has_output && last == "token_embd");
  if (name == "output") return is_head;
  if (name == "token_embd") return last == name && !is_head;
  if (name == "attn_v") return last == name || last == "attn_qkv" || last == "attn_kv_b";
  if (name == "ffn_down") return last.starts_with(name);
  if (name == "experts") return last.ends_with("_exps");
  return last == name;
}

const std::map<std::string, std::string, std::less<>>& fallbacks() {
  static const auto kTypes = [] {
    std::map<std::string, std::string, std::less<>> types;
    for (const EmbeddedFile& file : recipe_files()) {
      if (file.name != kFallback) continue;
      const Json json = *parse_json(file.text);
      for (const auto& [type, value] : json.members()) {
        types.emplace(type, value.as_string().value_or(""));
      }
    }
    return types;
  }();
  return kTypes;
}

bool is_whole(std::string_view type, std::int64_t cols) {
  const GgmlType* found = ggml_type(to_upper(type));
  return found != nullptr && cols % found->block_elements == 0;
}

}  // namespace

// The data are built in, so what is wrong with them is a broken build.
std::vector<BlockRecipe> read_block_recipes() {
  std::vector<BlockRecipe> recipes;
  for (const EmbeddedFile& file : recipe_files()) {
    if (file.name == kFallback) continue;
    const Json json = *parse_json(file.text);
    BlockRecipe& recipe = recipes.emplace_back();
    recipe.name = text_at(json, "name");
    recipe.what = text_at(json, "what");
    recipe.source = text_at(json, "source");
    recipe.file_type = static_cast<std::uint32_t>(int_at(json, "file_type"));
    recipe.type_ = text_at(json, "type");
    for (const Json& row : json.find("rules")->items()) {
      BlockRecipe::Rule& rule = recipe.rules_.emplace_back();
      rule.tensors = texts_at(row, "tensors");
      rule.layers = text_at(row, "layers");
      rule.experts = int_at(row, "experts");
      rule.heads_per_kv = int_at(row, "heads_per_kv");
      rule.model_layers = int_at(row, "model_layers");
      if (const Json* importance = row.find("importance")) rule.importance = importance->as_bool();
      rule.type = text_at(row, "type");
    }
  }
  std::ranges::sort(recipes, {}, &BlockRecipe::name);
  return recipes;
}

std::span<const BlockRecipe> block_recipes() {
  static const std::vector<BlockRecipe> kRecipes = read_block_recipes();
  return kRecipes;
}

const BlockRecipe* find_block_recipe(std::string_view name) {
  const auto found = std::ranges::find(block_recipes(), name, &BlockRecipe::name);
  return found == block_recipes().end() ? nullptr : &*found;
}

bool BlockRecipe::holds(const Rule& rule, std::string_view tensor, const ModelShape& model) {
  const bool is_named = std::ranges::any_of(
      rule.tensors, [&](const std::string& one) { return is_called(tensor, one, model); });
  return is_named && is_among(rule.layers, layer_of(tensor), model.layers) &&
         (rule.experts == 0 || rule.experts == model.experts) &&
         rule.heads_per_kv <= model.heads_per_kv &&
         (rule.model_layers == 0 || rule.model_layers == model.layers) &&
         (!rule.importance || *rule.importance == model.has_importance);
}

const std::string& BlockRecipe::type_of(std::string_view tensor, const ModelShape& model) const {
  const auto rule = std::ranges::find_if(
      rules_, [&](const Rule& candidate) { return holds(candidate, tensor, model); });
  return rule == rules_.end() ? type_ : rule->type;
}

std::optional<std::string> fitting_block_type(const std::string& type, std::int64_t cols) {
  if (is_whole(type, cols)) return type;
  const auto other = fallbacks().find(type);
  if (other == fallbacks().end() || !is_whole(other->second, cols)) return std::nullopt;
  return other->second;
}

ModelShape shape_of_model(const Checkpoint& checkpoint) {
  const Json& config = checkpoint.config();
  ModelShape shape;
  shape.layers = int_at(config, "num_hidden_layers");
  const std::int64_t heads = int_at(config, "num_attention_heads");
  const std::int64_t shared = int_at(config, "num_key_value_heads");
  if (shared > 0) shape.heads_per_kv = heads / shared;
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    shape.experts = std::max(shape.experts, int_at(config, key));
  }
  const auto is_head = [](const auto& tensor) { return tensor.place.role == Role::kLmHead; };
  shape.has_output = std::ranges::any_of(checkpoint.weights(), is_head) ||
                     std::ranges::any_of(checkpoint.dense(), is_head);
  return shape;
}

}  // namespace requant
