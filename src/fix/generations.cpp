// The keys of transformers 4 beside those of transformers 5, and no key of compressed-tensors that
// an older one refuses and that says nothing.

#include <optional>

#include "fix/repair.h"
#include "rule/drift.h"

namespace requant {
namespace {

void add_rope(Json& config) {
  if (rope_that_4_loses(config).empty()) return;
  Json scaling = *config.find("rope_parameters");
  const Json* theta = scaling.find("rope_theta");
  if (theta != nullptr && config.find("rope_theta") == nullptr) {
    config.set("rope_theta", Json(*theta));
  }
  scaling.erase("rope_theta");
  const Json* type = scaling.find("rope_type");
  const bool is_default = type == nullptr || type->as_string() == "default";
  if (!is_default) config.set("rope_scaling", std::move(scaling));
}

void add_experts(Json& config) {
  if (lacks_num_experts(config)) {
    config.set("num_experts", Json(*config.find("num_local_experts")));
  }
}

void add_dtype(Json& config) {
  const Json* dtype = config.find("dtype");
  if (dtype != nullptr && config.find("torch_dtype") == nullptr) {
    config.set("torch_dtype", Json(*dtype));
  }
}

void drop_null_keys(Json& block) {
  Json* groups = block.find("config_groups");
  if (groups == nullptr) return;
  for (auto& [name, group] : groups->members()) {
    for (const std::string_view part : kCtArguments) {
      Json* arguments = group.find(part);
      for (const std::string_view key : kNewerCtKeys) {
        const Json* value = arguments == nullptr ? nullptr : arguments->find(key);
        if (value != nullptr && value->is_null()) arguments->erase(key);
      }
    }
  }
}

Result<void> apply(RepairScene& scene) {
  Json& config = scene.documents.config();
  const auto mend = [&](Json& part) {
    if (scene.any({"drift.rope"})) add_rope(part);
    if (scene.any({"drift.num-experts"})) add_experts(part);
    if (scene.any({"drift.dtype"})) add_dtype(part);
  };
  mend(config);
  for (const std::string& key : scene.checkpoint.architecture().language_config_keys()) {
    if (Json* part = config.find(key); part != nullptr && part->is_object()) mend(*part);
  }
  Json* tokenizer = scene.documents.find("tokenizer_config.json");
  if (tokenizer != nullptr && scene.any({"drift.tokenizer-class"})) {
    tokenizer->set("tokenizer_class", "PreTrainedTokenizerFast");
  }
  Json* block = scene.block();
  if (block != nullptr && scene.any({"drift.null-keys"})) drop_null_keys(*block);
  return {};
}

}  // namespace

extern const Repair k_repair_generations;
const Repair k_repair_generations = {
    .name = "generations",
    .answers = "drift.rope drift.num-experts drift.dtype drift.tokenizer-class drift.null-keys",
    .apply = apply,
};

}  // namespace requant
