#include "plan/config_edit.h"

#include <algorithm>

namespace requant {
namespace {

constexpr std::string_view kBlock = "quantization_config";

bool is_linear_like(const DenseTensor& tensor) {
  const Role role = tensor.place.role;
  return tensor.is_weight && (role == Role::kLinear || role == Role::kExpert ||
                              role == Role::kLmHead || role == Role::kRouter);
}

// Plan's weights as dialects want to see them.
struct Request {
  std::vector<TargetWeight> quantized;
  std::vector<TargetWeight> unquantized;
};

Request weights_of(const Checkpoint& checkpoint, const Plan& plan) {
  Request request;
  request.quantized.reserve(plan.target_weights.size());
  for (const Weight& weight : plan.target_weights) {
    request.quantized.push_back({weight.module, weight.place, weight.scheme});
  }
  for (const DenseTensor& tensor : plan.target_dense) {
    if (!is_linear_like(tensor)) continue;
    request.unquantized.push_back(
        {tensor.module, tensor.place, Scheme::dense(tensor.tensor->dtype)});
  }
  add_tied_head(checkpoint, request.quantized, request.unquantized);
  return request;
}

void erase_at(Json& config, const std::vector<std::string>& path) {
  Json* parent = &config;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    parent = parent->find(path[i]);
    if (parent == nullptr) return;
  }
  parent->erase(path.back());
}

void set_dtype(Json& config, const Architecture& architecture, DType dtype) {
  std::vector<Json*> places = {&config};
  for (const std::string& key : architecture.language_config_keys()) {
    if (Json* part = config.find(key); part != nullptr) places.push_back(part);
  }
  for (Json* place : places) {
    for (const std::string_view key : {"torch_dtype", "dtype"}) {
      if (place->find(key) != nullptr) place->set(key, std::string(torch_name_of(dtype)));
    }
  }
}

}  // namespace

Result<Json> edit_config(const Checkpoint& checkpoint, const Plan& plan) {
  Json config = with_sizes(checkpoint, plan.grown);
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    const bool stays = block.path.size() == 1 && block.path.front() == kBlock;
    if (!stays || plan.target.is_dense()) erase_at(config, block.path);
  }
  const std::string_view twin = checkpoint.dialect().config_twin;
  if (!twin.empty() && plan.target.dialect != &checkpoint.dialect()) config.erase(twin);
  if (plan.target.is_dense()) {
    const bool decodes = std::ranges::any_of(
        plan.weights, [](const WeightStep& step) { return !step.weight->scheme.is_dense(); });
    if (!plan.target.scheme.empty() && decodes) {
      set_dtype(config, checkpoint.architecture(), dense_dtype(plan.target, config));
    }
    return config;
  }
  const Request request = weights_of(checkpoint, plan);
  RQ_TRY_IN(Json block,
            plan.target.dialect->quantization_config({.config = checkpoint.config(),
                                                      .architecture = checkpoint.architecture(),
                                                      .quantized = request.quantized,
                                                      .unquantized = request.unquantized,
                                                      .kv_cache = plan.kv_cache,
                                                      .layout = plan.target.layout}),
            plan.target.dialect->name);
  const std::string_view other = plan.target.dialect->config_twin;
  if (!other.empty()) config.set(other, block);
  config.set(kBlock, std::move(block));
  return config;
}

Result<std::map<std::string, Json>> side_documents(const Checkpoint& checkpoint, const Plan& plan) {
  if (plan.target.dialect->side_files == nullptr) return std::map<std::string, Json>{};
  const Request request = weights_of(checkpoint, plan);
  return plan.target.dialect->side_files({.config = checkpoint.config(),
                                          .architecture = checkpoint.architecture(),
                                          .quantized = request.quantized,
                                          .unquantized = request.unquantized,
                                          .kv_cache = plan.kv_cache,
                                          .layout = plan.target.layout});
}

}  // namespace requant
