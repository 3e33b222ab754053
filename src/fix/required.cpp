// Keys of config.json that are missing and that the tensors tell, and those of the block that its
// readers ask for.

#include <algorithm>
#include <array>
#include <optional>

#include "fix/repair.h"

namespace requant {
namespace {

// The shapes that give the sizes away: decoded weights and unquantised ones.
class Sizes {
 public:
  explicit Sizes(const Checkpoint& checkpoint) {
    for (const Weight& weight : checkpoint.weights()) {
      add(weight.module, weight.place, weight.rows / weight.experts, weight.cols);
    }
    for (const DenseTensor& dense : checkpoint.dense()) {
      const Shape& shape = dense.tensor->shape;
      if (!dense.is_weight || shape.size() != 2) continue;
      add(dense.module, dense.place, shape[0], shape[1]);
    }
  }

  std::optional<std::int64_t> value_of(std::string_view key, const Json& config) const {
    if (key == "num_hidden_layers") return positive(layers_);
    if (key == "vocab_size") return positive(vocabulary_);
    if (key == "hidden_size") return positive(hidden_);
    if (key == "intermediate_size") return positive(intermediate_);
    const Json* stated = config.find("head_dim");
    const std::int64_t head = stated == nullptr ? 0 : stated->as_int().value_or(0);
    if (head <= 0) return std::nullopt;
    if (key == "num_attention_heads") return positive(queries_ / head);
    if (key == "num_key_value_heads") return positive(keys_ / head);
    return std::nullopt;
  }

 private:
  static std::optional<std::int64_t> positive(std::int64_t value) {
    return value > 0 ? std::optional(value) : std::nullopt;
  }

  void add(std::string_view module, const Module& place, std::int64_t rows, std::int64_t cols) {
    if (place.tower != Tower::kLanguage) return;
    layers_ = std::max<std::int64_t>(layers_, place.layer + 1);
    if (place.role == Role::kEmbedding) {
      vocabulary_ = rows;
      hidden_ = cols;
    }
    if (place.expert >= 0) return;
    if (module.ends_with("q_proj")) queries_ = rows;
    if (module.ends_with("k_proj")) keys_ = rows;
    if (module.ends_with("up_proj") || module.ends_with("w3")) intermediate_ = rows;
  }

  std::int64_t layers_ = 0;
  std::int64_t vocabulary_ = 0;
  std::int64_t hidden_ = 0;
  std::int64_t intermediate_ = 0;
  std::int64_t queries_ = 0;
  std::int64_t keys_ = 0;
};

constexpr std::string_view kSizes[] = {"num_hidden_layers",   "vocab_size",
                                       "hidden_size",         "intermediate_size",
                                       "num_attention_heads", "num_key_value_heads"};

// "'text_config.hidden_size' is missing" names its key between quotes.
bool asks_for(const std::vector<Finding>& findings, const std::string& key) {
  return std::ranges::any_of(findings, [&](const Finding& finding) {
    return finding.rule == "config.missing-key" && finding.message.starts_with("'" + key + "'");
  });
}

void add_sizes(RepairScene& scene) {
  if (scene.find("config.missing-key") == nullptr) return;
  const Sizes sizes(scene.checkpoint);
  Json& config = scene.documents.config();
  const auto add_to = [&](Json& part, const std::string& prefix) {
    for (const std::string_view key : kSizes) {
      if (!asks_for(scene.findings, prefix + std::string(key))) continue;
      if (const auto value = sizes.value_of(key, part)) part.set(key, *value);
    }
  };
  add_to(config, "");
  for (const std::string& key : scene.checkpoint.architecture().language_config_keys()) {
    if (Json* part = config.find(key); part != nullptr && part->is_object()) {
      add_to(*part, key + ".");
    }
  }
}

// Asked for by one engine or another: data/engines, required_keys.
constexpr std::string_view kBlockKeys[] = {
    "bits",    "group_size", "desc_act",          "sym",        "lm_head",          "zero_point",
    "version", "format",     "activation_scheme", "quant_algo", "weight_block_size"};

void add_block_keys(RepairScene& scene) {
  Json* block = scene.block();
  if (block == nullptr || scene.find("config.block-key-missing") == nullptr) return;
  const Json written = written_block(scene);
  for (const std::string_view key : kBlockKeys) {
    const Json* value = written.find(key);
    if (value != nullptr && block->find(key) == nullptr) block->set(key, *value);
  }
}

Result<void> apply(RepairScene& scene) {
  add_sizes(scene);
  add_block_keys(scene);
  return {};
}

}  // namespace

extern const Repair k_repair_required;
const Repair k_repair_required = {
    .name = "required",
    .answers = "config.missing-key config.block-key-missing",
    .apply = apply,
};

}  // namespace requant
