// bitsandbytes: X.weight U8 with X.weight.absmax, X.weight.quant_map and the JSON text of
// X.weight.quant_state.bitsandbytes__nf4 | __fp4, or X.weight I8 with X.SCB.
//
// The shape of a 4-bit weight is in that text alone, so resolving reads these few hundred bytes of
// each weight. The same quant_method stands in configs of dense repositories that are to be
// quantised while they load: only the tensors count.

#include <fmt/format.h>

#include "base/text.h"
#include "codec/bitsandbytes_state.h"
#include "dialect/bitsandbytes_write.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "bitsandbytes";
constexpr std::string_view kState = "bitsandbytes__";
constexpr std::string_view kStateModule = ".quant_state";
constexpr std::uint64_t kLongestState = 4096;

// The text of "X.weight.quant_state.bitsandbytes__nf4": module "X.weight.quant_state".
const TensorInfo* state_in(const ModuleTensors& module) {
  if (!module.module.ends_with(kStateModule)) return nullptr;
  for (const auto& [suffix, tensor] : module.parts) {
    if (suffix.starts_with(kState)) return tensor;
  }
  return nullptr;
}

// LLM.int8() stores its statistics beside the weight.
bool is_int8(const ModuleTensors& module) {
  return module.find("SCB") != nullptr && module.find("weight") != nullptr;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (declared_method(facts) == kMethod) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is bitsandbytes");
  }
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* state = state_in(module);
    if (state == nullptr && is_int8(module)) state = module.find("SCB");
    if (state == nullptr) continue;
    result.match = Match::kYes;
    result.evidence.push_back(describe(*state));
    break;
  }
  return result;
}

// The tensors of a 4-bit weight by their names after the module's.
ModuleTensors parts_of(std::string_view module, const TensorInfo& state, const Facts& facts,
                       const std::string& state_suffix) {
  ModuleTensors found = {.module = module, .parts = {{state_suffix, &state}}};
  for (const std::string_view suffix : {"weight", "weight.absmax", "weight.quant_map",
                                        "weight.nested_absmax", "weight.nested_quant_map"}) {
    const TensorInfo* tensor = facts.source.find(fmt::format("{}.{}", module, suffix));
    if (tensor != nullptr) found.parts.emplace_back(suffix, tensor);
  }
  return found;
}

Scheme declared_by(const BitsandbytesState& state) {
  Scheme declared;
  declared.element = Element::kCodebook;
  declared.bits = 4;
  declared.grid = {.block_cols = state.block, .flat = true};
  if (state.nested_block > 0) {
    declared.outer =
        OuterScale{.grid = {.block_cols = state.block * state.nested_block, .flat = true}};
  }
  return declared;
}

Result<Weight> resolve_4bit(const ModuleTensors& states, const TensorInfo& state,
                            const Facts& facts) {
  // "X.weight.quant_state" -> "X".
  std::string_view module = states.module;
  module.remove_suffix(kStateModule.size());
  const auto [owner, name] = split_tensor_name(module);
  if (name != "weight" || state.bytes > kLongestState) {
    return corrupt(describe(state) + ", expected the text of a weight's state");
  }
  RQ_TRY(const Tensor text, facts.source.read(state));
  RQ_TRY_IN(const BitsandbytesState parsed, parse_bitsandbytes_state(text), printable(state.name));
  const std::string suffix = std::string(std::string_view(state.name).substr(owner.size() + 1));
  const ModuleTensors parts = parts_of(owner, state, facts, suffix);
  auto weight = weight_of(parts, facts.architecture.module(owner, 2),
                          {"weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax",
                           "weight.nested_quant_map", suffix},
                          declared_by(parsed), *find_codec("bitsandbytes-4bit"));
  if (!weight) {
    return corrupt(
        fmt::format("{}: the weight, absmax and quant_map beside it do not fit", describe(state)));
  }
  weight->rows = parsed.rows;
  weight->cols = parsed.cols;
  return *std::move(weight);
}

Result<Weight> resolve_int8(const ModuleTensors& module, const Facts& facts) {
  auto weight = weight_of(module, place_of(module, facts), {"weight", "SCB", "weight_format"}, {},
                          *find_codec("bitsandbytes-int8"));
  if (!weight) {
    return corrupt(fmt::format("{}, expected F32 [out] for {}", describe(*module.find("SCB")),
                               describe(*module.find("weight"))));
  }
  weight->rows = module.find("weight")->shape[0];
  weight->cols = module.find("weight")->shape[1];
  return *std::move(weight);
}

Result<void> check_orphan(const ModuleTensors& module, const Facts& facts) {
  if (const TensorInfo* statistics = module.find("SCB")) {
    return corrupt(describe(*statistics) + ", and there is no weight beside it");
  }
  const TensorInfo* absmax = module.find("absmax");
  if (absmax == nullptr || !module.module.ends_with(".weight")) return {};
  const std::string states = std::string(module.module) + std::string(kStateModule);
  const ModuleTensors* state = facts.modules.find(states);
  if (state != nullptr && state_in(*state) != nullptr) return {};
  return corrupt(describe(*absmax) + ", and there is no quant_state beside it");
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (const TensorInfo* state = state_in(module)) {
      RQ_TRY(auto weight, resolve_4bit(module, *state, facts));
      resolution.weights.push_back(std::move(weight));
    } else if (is_int8(module)) {
      RQ_TRY(auto weight, resolve_int8(module, facts));
      resolution.weights.push_back(std::move(weight));
    } else {
      RQ_CHECK(check_orphan(module, facts));
    }
  }
  if (resolution.weights.empty() && declared_method(facts) == kMethod) {
    resolution.findings.push_back(make_finding(Severity::kInfo, "bitsandbytes.not-quantised",
                                               "config.json",
                                               "quant_method is bitsandbytes and the weights are "
                                               "dense: they are quantised while loading"));
  }
  return resolution;
}

}  // namespace

extern const Dialect k_dialect_bitsandbytes;
const Dialect k_dialect_bitsandbytes = {
    .name = kMethod,
    .long_name = "bitsandbytes: nf4, fp4, LLM.int8()",
    .source = "bitsandbytes bitsandbytes/functional.py@0.50.2",
    .recognize = recognize,
    .resolve = resolve,
    .codec_for = bitsandbytes_codec_for,
    .quantization_config = bitsandbytes_quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
