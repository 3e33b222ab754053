// gpt-oss: the experts of a layer in X_blocks and X_scales, where X is gate_up_proj or down_proj of
// the module of experts; everything else is dense. Original files say X.blocks and X.scales.
// The rows of a weight are those of all experts, in the order stored.

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/module_list.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "mxfp4";
constexpr std::string_view kBlocks = "blocks";
constexpr std::string_view kScales = "scales";

// "gate_up_proj_blocks" -> "gate_up_proj"; "blocks" -> "". Nothing for other suffixes.
std::optional<std::string_view> stem_of(std::string_view suffix, std::string_view end) {
  if (suffix == end) return std::string_view();
  if (!suffix.ends_with(end)) return std::nullopt;
  suffix.remove_suffix(end.size());
  if (!suffix.ends_with('_') || suffix.size() < 2) return std::nullopt;
  suffix.remove_suffix(1);
  return suffix;
}

bool is_blocks(std::string_view suffix, const TensorInfo& tensor) {
  return stem_of(suffix, kBlocks) && tensor.dtype == DType::kU8 && tensor.shape.size() >= 3;
}

const TensorInfo* scales_beside(const ModuleTensors& module, std::string_view stem) {
  return module.find(stem.empty() ? std::string(kScales) : fmt::format("{}_{}", stem, kScales));
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (declared_method(facts) == kMethod) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is mxfp4");
  }
  for (const ModuleTensors& module : facts.modules.modules()) {
    for (const auto& [suffix, tensor] : module.parts) {
      if (!is_blocks(suffix, *tensor) || !scales_beside(module, *stem_of(suffix, kBlocks)))
        continue;
      result.match = Match::kYes;
      result.evidence.push_back(describe(*tensor));
      return result;
    }
  }
  return result;
}

Result<Weight> resolve_weight(const ModuleTensors& module, std::string_view stem,
                              const TensorInfo& blocks, const Facts& facts) {
  const TensorInfo* scales = scales_beside(module, stem);
  if (scales == nullptr) {
    return corrupt(describe(blocks) + ", and there are no scales beside it");
  }
  const ModuleTensors pair = {.module = module.module,
                              .parts = {{kBlocks, &blocks}, {kScales, scales}}};
  auto weight = weight_of(pair, Module(), {kBlocks, kScales}, {}, *find_codec("gpt-oss-mxfp4"));
  if (!weight) {
    return corrupt(fmt::format("{}, expected one byte for each 16 of {}", describe(*scales),
                               describe(blocks)));
  }
  if (!stem.empty()) weight->module = fmt::format("{}.{}", module.module, stem);
  weight->place = facts.architecture.module(weight->module, blocks.shape.size() - 1);
  const Shape& shape = scales->shape;
  weight->experts = shape.size() == 3 ? shape[0] : 1;
  const auto rows =
      Checked::from_signed(weight->experts) * Checked::from_signed(shape[shape.size() - 2]);
  const auto cols = Checked::from_signed(shape.back()) * 32;
  if (!rows.value() || !cols.value()) return corrupt(describe(blocks) + ": its size overflows");
  weight->rows = static_cast<std::int64_t>(*rows.value());
  weight->cols = static_cast<std::int64_t>(*cols.value());
  return *std::move(weight);
}

Result<void> check_orphan(const ModuleTensors& module, std::string_view suffix,
                          const TensorInfo& tensor) {
  const auto stem = stem_of(suffix, kScales);
  if (!stem || tensor.dtype != DType::kU8) return {};
  const std::string blocks =
      stem->empty() ? std::string(kBlocks) : fmt::format("{}_{}", *stem, kBlocks);
  if (module.find(blocks) != nullptr) return {};
  return corrupt(describe(tensor) + ", and there are no blocks beside it");
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    for (const auto& [suffix, tensor] : module.parts) {
      if (is_blocks(suffix, *tensor)) {
        RQ_TRY(auto weight, resolve_weight(module, *stem_of(suffix, kBlocks), *tensor, facts));
        resolution.weights.push_back(std::move(weight));
      } else {
        RQ_CHECK(check_orphan(module, suffix, *tensor));
      }
    }
  }
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block != nullptr) {
    check_module_list(facts, ModuleList(block.block->find("modules_to_not_convert")),
                      name_of(block) + ".modules_to_not_convert", resolution);
  }
  return resolution;
}

const Codec* codec_for(const Scheme& scheme) {
  const Codec* codec = find_codec("gpt-oss-mxfp4");
  return codec->holds(scheme) ? codec : nullptr;
}

// "model.layers.3.mlp.router" -> "model.layers.*.mlp.router".
std::string in_every_layer(std::string_view module) {
  std::vector<std::string> components;
  for (const std::string_view component : split(module, '.')) {
    const bool is_number = component.find_first_not_of("0123456789") == std::string_view::npos;
    components.emplace_back(is_number ? "*" : std::string(component));
  }
  return join(components, ".");
}

bool covers_quantised(const std::string& pattern, const ConfigRequest& request) {
  Json list = Json::array();
  list.append(pattern);
  const ModuleList modules(&list);
  return std::ranges::any_of(
      request.quantized, [&](const TargetWeight& weight) { return modules.covers(weight.module); });
}

// As OpenAI's own files have it: modules of every layer at once, attention as a whole, and the
// embedding, which no reader looks for.
Json excluded_modules(const ConfigRequest& request) {
  constexpr std::string_view kEmbedding = "model.embed_tokens";
  constexpr std::string_view kHead = "lm_head";
  std::vector<std::string> names;
  for (const TargetWeight& weight : request.unquantized) {
    std::string name = in_every_layer(weight.module);
    const std::string parent = name.substr(0, std::min(name.rfind('.'), name.size()));
    if (weight.place.role == Role::kLinear && !covers_quantised(parent, request)) name = parent;
    if (name != kHead && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  std::ranges::stable_sort(names, {},
                           [](const std::string& name) { return !name.ends_with("self_attn"); });
  Json list = Json::array();
  for (const std::string& name : names) list.append(name);
  list.append(kEmbedding);
  list.append(kHead);
  return list;
}

Result<Json> quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("mxfp4 needs a quantised weight");
  Json block = Json::object();
  block.set("modules_to_not_convert", excluded_modules(request));
  block.set("quant_method", kMethod);
  return block;
}

}  // namespace

extern const Dialect k_dialect_mxfp4;
const Dialect k_dialect_mxfp4 = {
    .name = kMethod,
    .long_name = "gpt-oss: MXFP4 experts",
    .source = "huggingface/transformers integrations/mxfp4.py@5.17.0",
    .recognize = recognize,
    .resolve = resolve,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .quant_methods = kMethod,
    .stacks = StackRule::kAlways,
};

}  // namespace requant
