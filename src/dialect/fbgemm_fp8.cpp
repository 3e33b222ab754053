// fbgemm_fp8: X.weight F8_E4M3 with X.weight_scale F32 [out, 1]; activations are quantised at run
// time per token, their scale bounded by activation_scale_ub. The tensors are those of other tools
// too, so the config has to name it.

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/module_list.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "fbgemm_fp8";
constexpr double kDefaultBound = 1200.0;  // transformers' FbgemmFp8Config

bool is_fp8_matrix(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  return weight != nullptr && weight->dtype == DType::kF8E4M3 && weight->shape.size() == 2;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (declared_method(facts) != kMethod) return result;
  result.match = Match::kMaybe;
  result.evidence.emplace_back("quant_method is fbgemm_fp8");
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (!is_fp8_matrix(module)) continue;
    result.match = Match::kYes;
    result.evidence.push_back(describe(*module.find("weight")));
    break;
  }
  return result;
}

Result<Weight> resolve_module(const ModuleTensors& module, const Facts& facts) {
  const TensorInfo& weight = *module.find("weight");
  const TensorInfo* scale = module.find("weight_scale");
  if (scale == nullptr) {
    return corrupt(fmt::format("{}, and there is no {}.weight_scale beside it", describe(weight),
                               printable(module.module)));
  }
  Scheme declared;
  declared.grid = Grid::channel();
  declared.activations = Activations::dynamic_token(Element::kE4M3Fn);
  auto resolved = weight_of(module, place_of(module, facts), {"weight", "weight_scale"}, declared,
                            *find_codec("fp8-scale"));
  if (!resolved || !resolved->scheme.grid.is_channel()) {
    return corrupt(
        fmt::format("{}, expected F32 [out, 1] for {}", describe(*scale), describe(weight)));
  }
  resolved->rows = weight.shape[0];
  resolved->cols = weight.shape[1];
  return *std::move(resolved);
}

Result<void> check_orphan(const ModuleTensors& module) {
  for (const auto& [suffix, tensor] : module.parts) {
    if (tensor->dtype != DType::kF8E4M3) continue;
    const std::string text = describe(*tensor);
    if (tensor->shape.size() == 3) {
      return refused(text + ": experts in one tensor of FP8 cannot be read yet");
    }
    return corrupt(text + ", expected two dimensions");
  }
  return {};
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (!is_fp8_matrix(module)) {
      RQ_CHECK(check_orphan(module));
      continue;
    }
    RQ_TRY(auto weight, resolve_module(module, facts));
    resolution.weights.push_back(std::move(weight));
  }
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block != nullptr) {
    check_module_list(facts, ModuleList(block.block->find("modules_to_not_convert")),
                      name_of(block) + ".modules_to_not_convert", resolution);
  }
  return resolution;
}

const Codec* codec_for(const Scheme& scheme) {
  const bool fits = scheme.grid.is_channel() && scheme.scale_dtype == DType::kF32 &&
                    scheme.activations == Activations::dynamic_token(Element::kE4M3Fn);
  const Codec* codec = find_codec("fp8-scale");
  return fits && codec->holds(scheme) ? codec : nullptr;
}

Result<Json> quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("fbgemm_fp8 needs a quantised weight");
  const Json* bound = nullptr;
  for (const ConfigBlock& block : find_config_blocks(request.config, request.architecture)) {
    if (text_at(block.block, "quant_method") == kMethod) {
      bound = block.block->find("activation_scale_ub");
    }
  }
  Json block = Json::object();
  block.set("quant_method", kMethod);
  block.set("activation_scale_ub", bound == nullptr ? Json(kDefaultBound) : *bound);
  block.set("modules_to_not_convert", unquantized_names(request));
  return block;
}

}  // namespace

extern const Dialect k_dialect_fbgemm_fp8;
const Dialect k_dialect_fbgemm_fp8 = {
    .name = kMethod,
    .long_name = "FBGEMM FP8: a scale for each row, activations dynamic per token",
    .source = "huggingface/transformers integrations/fbgemm_fp8.py@5.17.0",
    .recognize = recognize,
    .resolve = resolve,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
