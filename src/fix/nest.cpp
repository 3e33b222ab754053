// The block into the language model's own config too, where that was asked for.

#include "fix/repair.h"

namespace requant {
namespace {

constexpr std::string_view kBlock = "quantization_config";

Result<void> apply(RepairScene& scene) {
  if (!scene.options.nest) return {};
  Json& config = scene.documents.config();
  const Json* top = config.find(kBlock);
  if (top == nullptr) return {};
  const Json block = *top;
  for (const std::string& key : scene.checkpoint.architecture().language_config_keys()) {
    Json* part = config.find(key);
    if (part != nullptr && part->is_object()) part->set(kBlock, block);
  }
  return {};
}

}  // namespace

extern const Repair k_repair_nest;
const Repair k_repair_nest = {
    .name = "nest",
    .answers = "config.top-level-only",
    .apply = apply,
};

}  // namespace requant
