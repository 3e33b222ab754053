// tie_word_embeddings as the tensors show it.

#include <algorithm>

#include "fix/repair.h"

namespace requant {
namespace {

constexpr std::string_view kKey = "tie_word_embeddings";

bool stores_head(const Checkpoint& checkpoint) {
  const auto is_head = [](const Module& place) {
    return place.role == Role::kLmHead && place.tower == Tower::kLanguage;
  };
  return std::ranges::any_of(checkpoint.weights(),
                             [&](const Weight& weight) { return is_head(weight.place); }) ||
         std::ranges::any_of(checkpoint.dense(), [&](const DenseTensor& dense) {
           return dense.is_weight && is_head(dense.place) && dense.tensor->shares_with().empty();
         });
}

bool lacks_head_only(const RepairScene& scene) {
  const auto missing = std::ranges::count(scene.findings, "tensor.missing", &Finding::rule);
  const Finding* finding = scene.find("tensor.missing");
  return missing == 1 && scene.checkpoint.architecture()
                                 .module(finding->where.substr(0, finding->where.rfind('.')), 2)
                                 .role == Role::kLmHead;
}

Result<void> apply(RepairScene& scene) {
  const Finding* stored = scene.find("tensor.tied-head-stored");
  const bool contradicts = stored != nullptr && stored->severity > Severity::kInfo;
  if (!contradicts && !scene.any({"config.two-ties"}) && !lacks_head_only(scene)) return {};
  const bool tied = !stores_head(scene.checkpoint);
  Json& config = scene.documents.config();
  config.set(kKey, tied);
  for (const std::string& key : scene.checkpoint.architecture().language_config_keys()) {
    Json* part = config.find(key);
    if (part != nullptr && part->find(kKey) != nullptr) part->set(kKey, tied);
  }
  return {};
}

}  // namespace

extern const Repair k_repair_ties;
const Repair k_repair_ties = {
    .name = "ties",
    .answers = "tensor.tied-head-stored tensor.missing config.two-ties",
    .apply = apply,
};

}  // namespace requant
