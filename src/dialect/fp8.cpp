// quant_method fp8: what transformers, DeepSeek and vLLM mean by it, and GPTQModel, which means
// the reverse of it.
//
//   X.weight F8 + X.weight_scale_inv   a multiplier, per block or tensor (transformers, DeepSeek)
//                                      a divisor where weight_scale_semantics is "inverse"
//   X.weight F8 + X.weight_scale       a multiplier per tensor (AutoFP8, vLLM)
//
// F8 is E4M3 or E5M2; E4M3FNUZ, AMD's, is read and written too.
//
// In config.json {"quant_method": "fp8", "activation_scheme": "dynamic" | "static",
// "weight_block_size": [128, 128] | null}. Blocks go with activations that are dynamic per group of
// a block's columns.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/module_list.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "fp8";
constexpr std::string_view kInverse = "weight_scale_inv";

bool is_fp8(DType dtype) {
  return dtype == DType::kF8E4M3 || dtype == DType::kF8E5M2 || dtype == DType::kF8E4M3Fnuz;
}

bool is_fp8_matrix(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  return weight != nullptr && is_fp8(weight->dtype) && weight->shape.size() == 2;
}

struct Fp8Config {
  std::string where = "quantization_config";
  Scheme declared;
  ModuleList excluded;
  bool has_block_size = false;
};

Recognition recognize(const Facts& facts) {
  Recognition result;
  const std::string method = declared_method(facts);
  if (!method.empty() && method != kMethod) return result;
  if (method == kMethod) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is fp8");
  }
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (!is_fp8_matrix(module)) continue;
    const TensorInfo* inverse = module.find(kInverse);
    // weight_scale is what several tools write: without a word of the config it says nothing.
    if (inverse == nullptr && result.match == Match::kNo) continue;
    result.match = Match::kYes;
    result.evidence.push_back(describe(inverse != nullptr ? *inverse : *module.find("weight")));
    break;
  }
  return result;
}

Error bad(const std::string& where, std::string_view key, const Json& value,
          std::string_view expected) {
  return corrupt(fmt::format("config.json: '{}.{}' is {}, expected {}", where, key,
                             printable(value.dump(), 80), expected));
}

Result<void> parse_block_size(const Json* size, Fp8Config& config) {
  if (size == nullptr || size->is_null()) return {};
  const auto& items = size->items();
  const std::int64_t rows = items.size() == 2 ? items[0].as_int().value_or(0) : 0;
  const std::int64_t cols = items.size() == 2 ? items[1].as_int().value_or(0) : 0;
  if (rows < 1 || cols < 1) {
    return bad(config.where, "weight_block_size", *size, "two positive integers or null");
  }
  config.declared.grid = Grid::block(rows, cols);
  config.has_block_size = true;
  return {};
}

Result<void> parse_activations(const Json& block, bool weight_only, Fp8Config& config) {
  const Json* scheme = block.find("activation_scheme");
  Activations& activations = config.declared.activations;
  activations = weight_only ? Activations::none() : Activations::dynamic_token(Element::kE4M3Fn);
  if (scheme == nullptr || scheme->is_null()) return {};
  const std::string_view name = scheme->as_string().value_or("");
  if (name == "static") {
    activations = Activations::static_tensor(Element::kE4M3Fn);
  } else if (name == "dynamic") {
    activations = Activations::dynamic_token(Element::kE4M3Fn);
  } else {
    return bad(config.where, "activation_scheme", *scheme, "static or dynamic");
  }
  return {};
}

Result<Fp8Config> parse_config(const Facts& facts) {
  Fp8Config config;
  config.declared.element = Element::kE4M3Fn;
  config.declared.activations = Activations::dynamic_token(Element::kE4M3Fn);
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block == nullptr) return config;
  config.where = name_of(block);
  // GPTQModel's weights are for products in the activations' own type.
  const bool is_gptqmodel = block.block->find("weight_scale_semantics") != nullptr;
  if (text_at(block.block, "weight_scale_semantics") == "inverse") {
    config.declared.outer = OuterScale{.orientation = Orientation::kDivisor};
  }
  RQ_CHECK(parse_block_size(block.block->find("weight_block_size"), config));
  RQ_CHECK(parse_activations(*block.block, is_gptqmodel, config));
  const Json* list = block.block->find("modules_to_not_convert");
  if (list == nullptr || list->is_null()) list = block.block->find("ignored_layers");
  config.excluded = ModuleList(list);
  return config;
}

Error unreadable(const ModuleTensors& module) {
  const TensorInfo& weight = *module.find("weight");
  for (const char* other : {"qscale_weight", "scale"}) {
    if (module.find(other) == nullptr) continue;
    return refused(fmt::format("{} beside {}: this spelling of FP8 cannot be read yet",
                               describe(*module.find(other)), describe(weight)));
  }
  return corrupt(fmt::format("{}, and there is no {}.{} beside it", describe(weight),
                             printable(module.module), kInverse));
}

std::optional<Weight> try_codecs(const ModuleTensors& module, const Module& place,
                                 const Fp8Config& config) {
  const bool inverse = module.find(kInverse) != nullptr;
  const bool divides = config.declared.outer.has_value();
  const Codec& codec = *find_codec(!inverse  ? "fp8-scale"
                                   : divides ? "gptqmodel-fp8"
                                             : "fp8-scale-inv");
  const std::string_view scale = inverse ? kInverse : "weight_scale";
  const std::string_view input = inverse ? "activation_scale" : "input_scale";
  if (config.declared.activations.kind == ActivationKind::kStatic) {
    return weight_of(module, place, {"weight", scale, input}, config.declared, codec);
  }
  return weight_of(module, place, {"weight", scale}, config.declared, codec);
}

// Blocks share their activations' groups; a dynamic scale is per token everywhere else.
void settle_activations(Weight& weight) {
  Activations& activations = weight.scheme.activations;
  if (activations.kind != ActivationKind::kDynamic || weight.scheme.grid.block_rows < 2) return;
  activations.granularity = Granularity::kGroup;
  activations.group = weight.scheme.grid.block_cols;
}

Result<Weight> resolve_module(const ModuleTensors& module, const Fp8Config& config,
                              const Facts& facts) {
  const TensorInfo* scale = module.find(kInverse);
  if (scale == nullptr) scale = module.find("weight_scale");
  if (scale == nullptr) return unreadable(module);
  const bool is_static = config.declared.activations.kind == ActivationKind::kStatic;
  const char* input = module.find(kInverse) != nullptr ? "activation_scale" : "input_scale";
  if (is_static && module.find(input) == nullptr) {
    return corrupt(fmt::format("{}.{} is missing, and the config says that activations are static",
                               printable(module.module), input));
  }
  auto weight = try_codecs(module, place_of(module, facts), config);
  if (!weight) {
    return corrupt(fmt::format("{}: no grid of scales for {}", describe(*scale),
                               describe(*module.find("weight"))));
  }
  weight->rows = module.find("weight")->shape[0];
  weight->cols = module.find("weight")->shape[1];
  settle_activations(*weight);
  return *std::move(weight);
}

Result<void> check_orphan(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  if (weight != nullptr && is_fp8(weight->dtype)) {
    return corrupt(describe(*weight) + ", expected two dimensions");
  }
  if (const TensorInfo* scale = module.find(kInverse)) {
    if (weight != nullptr) {
      return corrupt(
          fmt::format("{} beside {}, expected an F8 weight", describe(*scale), describe(*weight)));
    }
    return corrupt(describe(*scale) + ", and there is no weight beside it");
  }
  // Fused experts: gate_up_proj and gate_up_proj_scale_inv, both of three dimensions.
  for (const auto& [suffix, tensor] : module.parts) {
    if (!suffix.ends_with("_scale_inv") || tensor->shape.size() != 3) continue;
    return refused(describe(*tensor) + ": experts in one tensor of FP8 cannot be read yet");
  }
  return {};
}

void check_blocks(const Fp8Config& config, Resolution& resolution) {
  if (!config.has_block_size) return;
  Modules others;
  for (const Weight& weight : resolution.weights) {
    if (weight.scheme.grid != config.declared.grid) others.add(weight.module);
  }
  if (!others.any()) return;
  resolution.findings.push_back(
      make_finding(Severity::kError, "fp8.block-size", "config.json",
                   fmt::format("'{}.weight_block_size' is {}, which the scales of {} do not have",
                               config.where, describe(config.declared.grid), others.text())));
}

Result<Resolution> resolve(const Facts& facts) {
  RQ_TRY(const Fp8Config config, parse_config(facts));
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (!is_fp8_matrix(module)) {
      RQ_CHECK(check_orphan(module));
      continue;
    }
    RQ_TRY(auto weight, resolve_module(module, config, facts));
    resolution.weights.push_back(std::move(weight));
  }
  check_blocks(config, resolution);
  check_module_list(facts, config.excluded, config.where + ".modules_to_not_convert", resolution);
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  WriterGuess guess;
  if (block.block == nullptr) return guess;
  const auto quantizers = strings_of(block.block->at({"meta", "quantizer"}));
  if (!quantizers.empty()) {
    guess.tool = "GPTQModel";
    const std::size_t colon = quantizers.front().find(':');
    if (colon != std::string::npos) {
      guess.version = printable(quantizers.front().substr(colon + 1), 32);
    }
    guess.evidence = {name_of(block) + ".meta.quantizer is " + in_quotes(quantizers.front())};
  } else if (block.block->find("dequantize") != nullptr ||
             block.block->find("modules_to_convert") != nullptr) {
    guess.tool = "transformers FineGrainedFP8";
    guess.evidence = {name_of(block) + " has the keys that transformers writes"};
  } else if (block.block->find("fmt") != nullptr) {
    guess.evidence = {name_of(block) + " has 'fmt', as DeepSeek's own releases do"};
  }
  return guess;
}

bool is_blocks(const Scheme& s) { return s.grid.block_rows > 1 && s.grid.block_cols > 1; }

// The config has no word for the activations' element: it is that of the weights, but for fnuz,
// which stands for e4m3fn.
Element element_of_activations(const Scheme& scheme) {
  return scheme.element == Element::kE4M3Fnuz ? Element::kE4M3Fn : scheme.element;
}

std::string_view format_of(Element element) {
  if (element == Element::kE5M2) return "e5m2";
  return element == Element::kE4M3Fnuz ? "e4m3fnuz" : "e4m3";
}

const Codec* codec_for(const Scheme& scheme) {
  const Element element = element_of_activations(scheme);
  Activations grouped = Activations::dynamic_token(element);
  grouped.granularity = Granularity::kGroup;
  grouped.group = scheme.grid.block_cols;
  const bool blocks = is_blocks(scheme) && scheme.activations == grouped;
  const bool tensor =
      scheme.grid.is_tensor() && (scheme.activations == Activations::dynamic_token(element) ||
                                  scheme.activations == Activations::static_tensor(element));
  if (!blocks && !tensor) return nullptr;
  const Codec* codec = find_codec(blocks ? "fp8-scale-inv" : "fp8-scale");
  return codec->holds(scheme) ? codec : nullptr;
}

Result<Json> quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("fp8 needs a quantised weight");
  const Scheme& first = request.quantized.front().scheme;
  for (const TargetWeight& weight : request.quantized) {
    if (weight.scheme.grid == first.grid && weight.scheme.element == first.element &&
        weight.scheme.activations == first.activations) {
      continue;
    }
    return refused(printable(weight.module) +
                   ": fp8 has one weight_block_size and one activation_scheme, the weights have "
                   "several");
  }
  Json block = Json::object();
  block.set("quant_method", kMethod);
  block.set("fmt", format_of(first.element));
  const bool is_static = first.activations.kind == ActivationKind::kStatic;
  block.set("activation_scheme", is_static ? "static" : "dynamic");
  Json size = nullptr;
  if (is_blocks(first)) {
    size = Json::array({Json(first.grid.block_rows), Json(first.grid.block_cols)});
  }
  block.set("weight_block_size", std::move(size));
  if (first.scale_dtype == DType::kF8E8M0) block.set("scale_fmt", "ue8m0");
  // Two readers, two names of one list: transformers' and vLLM's.
  block.set("modules_to_not_convert", unquantized_names(request));
  block.set("ignored_layers", unquantized_names(request));
  return block;
}

}  // namespace

extern const Dialect k_dialect_fp8;
const Dialect k_dialect_fp8 = {
    .name = kMethod,
    .long_name = "FP8 blocks (DeepSeek, transformers), per tensor (AutoFP8) and GPTQModel's",
    .source =
        "huggingface/transformers integrations/finegrained_fp8.py@5.17.0; "
        "vllm model_executor/layers/quantization/fp8.py@0.26",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .kv_scales = KvScales::kAttention,
    .quant_methods = kMethod,
    .scales_are_f32 = true,
};

}  // namespace requant
