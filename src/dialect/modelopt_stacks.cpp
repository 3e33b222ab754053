#include "dialect/modelopt_stacks.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>

#include "base/checked.h"
#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr auto kCodecs =
    std::to_array<std::string_view>({"modelopt-nvfp4-stack", "modelopt-w8-stack"});
constexpr std::string_view kScale = "_weight_scale";

// "gate_up_proj_weight_scale" -> "gate_up_proj". Nothing for other suffixes.
std::optional<std::string_view> stem_of(std::string_view suffix) {
  if (!suffix.ends_with(kScale) || suffix.size() == kScale.size()) return std::nullopt;
  return suffix.substr(0, suffix.size() - kScale.size());
}

bool is_coded(const TensorInfo& tensor) {
  return tensor.shape.size() == 3 && (tensor.dtype == DType::kU8 || tensor.dtype == DType::kF8E4M3);
}

// The tensors of one stack under the names that those of a Linear have.
ModuleTensors parts_of(const ModuleTensors& module, std::string_view stem) {
  ModuleTensors parts{.module = module.module, .parts = {{"weight", module.find(stem)}}};
  for (const std::string_view suffix : {"weight_scale", "weight_scale_2", "input_scale"}) {
    const TensorInfo* tensor = module.find(fmt::format("{}_{}", stem, suffix));
    if (tensor != nullptr) parts.parts.emplace_back(suffix, tensor);
  }
  return parts;
}

Result<Weight> stack_of(const ModuleTensors& module, std::string_view stem,
                        const ModeloptConfig& config, const Facts& facts) {
  const ModuleTensors parts = parts_of(module, stem);
  const TensorInfo& codes = *parts.find("weight");
  const std::string name = fmt::format("{}.{}", module.module, stem);
  Scheme declared;
  if (const ModeloptAlgorithm* algorithm = config.algorithm_for(name)) {
    declared.activations = algorithm->activations;
  }
  std::optional<Weight> weight;
  for (const std::string_view codec : kCodecs) {
    if (weight) break;
    weight = weight_of(parts, facts.architecture.module(name, codes.shape.size()),
                       {"weight", "weight_scale", "weight_scale_2", "input_scale"}, declared,
                       *find_codec(codec));
  }
  if (!weight) {
    return corrupt(fmt::format("{} and {} are no stack of ModelOpt",
                               describe(*parts.find("weight_scale")), describe(codes)));
  }
  weight->module = name;
  weight->experts = codes.shape[0];
  const bool packed = codes.dtype == DType::kU8;
  const auto rows = Checked::from_signed(codes.shape[0]) * Checked::from_signed(codes.shape[2]);
  const auto cols = Checked::from_signed(codes.shape[1]) * (packed ? 2 : 1);
  if (!rows.value() || !cols.value()) return corrupt(describe(codes) + ": its size overflows");
  weight->rows = static_cast<std::int64_t>(*rows.value());
  weight->cols = static_cast<std::int64_t>(*cols.value());
  return *std::move(weight);
}

}  // namespace

const TensorInfo* find_modelopt_stack(const ModuleTensors& module) {
  for (const auto& [suffix, tensor] : module.parts) {
    const auto stem = stem_of(suffix);
    const TensorInfo* codes = stem ? module.find(*stem) : nullptr;
    if (codes != nullptr && is_coded(*codes)) return codes;
  }
  return nullptr;
}

Result<std::vector<Weight>> modelopt_stacks(const ModuleTensors& module,
                                            const ModeloptConfig& config, const Facts& facts) {
  std::vector<Weight> weights;
  for (const auto& [suffix, tensor] : module.parts) {
    const auto stem = stem_of(suffix);
    if (!stem) continue;
    const TensorInfo* codes = module.find(*stem);
    if (codes == nullptr) {
      return corrupt(fmt::format("{}, and there is no {} beside it", describe(*tensor),
                                 printable(fmt::format("{}.{}", module.module, *stem))));
    }
    if (!is_coded(*codes)) {
      return corrupt(fmt::format("{} beside {}, expected F8_E4M3 or U8 [experts, inputs, outputs]",
                                 describe(*tensor), describe(*codes)));
    }
    RQ_TRY(auto weight, stack_of(module, *stem, config, facts));
    weights.push_back(std::move(weight));
  }
  return weights;
}

}  // namespace requant
