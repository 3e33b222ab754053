// lmdeploy `lite smooth_quant`: X.weight I8 or F8 [out, in] with X.scale F32 [out, 1]; activations
// are quantised at run time per token. In config.json {"quant_method": "smooth_quant",
// "quant_dtype": "int8" | "float8_e4m3fn" | "float8_e5m2"}; missing dtype: int8. Where the block
// stands changed over the releases, and some wrote none (writer_of() has the table).

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "smooth_quant";

std::optional<Element> element_of(DType dtype) {
  if (dtype == DType::kI8) return Element::kInt;
  if (dtype == DType::kF8E4M3) return Element::kE4M3Fn;
  if (dtype == DType::kF8E5M2) return Element::kE5M2;
  return std::nullopt;
}

std::string_view quant_dtype_of(Element element) {
  if (element == Element::kInt) return "int8";
  return element == Element::kE4M3Fn ? "float8_e4m3fn" : "float8_e5m2";
}

// The pair that only lmdeploy writes.
bool has_marker(const ModuleTensors& module) {
  const TensorInfo* scale = module.find("scale");
  const TensorInfo* weight = module.find("weight");
  return scale != nullptr && weight != nullptr && weight->shape.size() == 2 &&
         element_of(weight->dtype) && scale->shape.size() == 2 && scale->shape[1] == 1;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (facts.modules.first_with("scale") != nullptr) {
    for (const ModuleTensors& module : facts.modules.modules()) {
      if (!has_marker(module)) continue;
      result.match = Match::kYes;
      result.evidence = {describe(*module.find("scale")), describe(*module.find("weight"))};
      break;
    }
  }
  if (block.block != nullptr) {
    if (result.match == Match::kNo) result.match = Match::kMaybe;
    result.evidence.push_back(name_of(block) + ".quant_method is smooth_quant");
  }
  return result;
}

Result<Weight> resolve_module(const ModuleTensors& module, const Facts& facts) {
  const TensorInfo* weight = module.find("weight");
  const TensorInfo* scale = module.find("scale");
  if (weight == nullptr) {
    return corrupt(describe(*scale) + ", and there is no weight beside it");
  }
  if (scale == nullptr) {
    return corrupt(fmt::format("{}, and there is no {}.scale, which {} needs", describe(*weight),
                               printable(module.module), kMethod));
  }
  Scheme declared;
  declared.element = *element_of(weight->dtype);
  auto resolved = weight_of(module, place_of(module, facts), {"weight", "scale"}, declared,
                            *find_codec("lmdeploy-w8a8"));
  if (!resolved) {
    return corrupt(
        fmt::format("{}, expected F32 [out, 1] for {}", describe(*scale), describe(*weight)));
  }
  resolved->rows = weight->shape[0];
  resolved->cols = weight->shape[1];
  return *std::move(resolved);
}

bool concerns(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  if (weight != nullptr) return weight->shape.size() == 2 && element_of(weight->dtype).has_value();
  return module.find("scale") != nullptr;
}

void check_dtype_claim(const Weight& weight, const Facts& facts, Resolution& resolution) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block == nullptr) return;
  const Json* claim = block.block->find("quant_dtype");
  const std::string_view claimed =
      claim == nullptr ? "int8" : claim->as_string().value_or("what is no string");
  const std::string_view stored = quant_dtype_of(weight.scheme.element);
  if (claimed == stored || (claimed == "fp8" && stored == "float8_e4m3fn")) return;
  Finding& finding = resolution.findings.emplace_back(
      make_finding(Severity::kError, "lmdeploy.quant-dtype", "config.json",
                   fmt::format("'{}.quant_dtype' says {}, the weights are {}", name_of(block),
                               printable(claimed), stored)));
  finding.expected = stored;
  finding.observed = printable(claimed);
  finding.evidence = describe(*weight.parts.front().second);
}

void check_exclusions(const Facts& facts, Resolution& resolution) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  const auto excluded =
      strings_of(block.block == nullptr ? nullptr : block.block->find("modules_to_not_convert"));
  if (excluded.empty()) return;
  Modules hit;
  for (const Weight& weight : resolution.weights) {
    for (const std::string& name : excluded) {
      if (weight.module.find(name) == std::string::npos) continue;
      hit.add(weight.module);
      break;
    }
  }
  if (!hit.any()) return;
  resolution.findings.push_back(
      make_finding(Severity::kWarning, "config.excluded-but-quantised", "config.json",
                   fmt::format("'{}.modules_to_not_convert' names {}, which is quantised",
                               name_of(block), hit.text())));
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (!concerns(module)) continue;
    RQ_TRY(auto weight, resolve_module(module, facts));
    resolution.weights.push_back(std::move(weight));
  }
  if (!resolution.weights.empty()) {
    check_dtype_claim(resolution.weights.front(), facts, resolution);
  }
  check_exclusions(facts, resolution);
  return resolution;
}

// Which release wrote it: lmdeploy/lite/apis/smooth_quant.py and pytorch/models of 0.6.0 to 0.18.
//   container    block                        release
//   pytorch      top, no quant_dtype          0.6
//   pytorch      none, several parts          0.6.5 to 0.7.0
//   pytorch      top, quant_dtype             0.7.0 to 0.8
//   pytorch      in llm_config                0.7.1 to 0.8
//   safetensors  config.json has torch_dtype  0.9 to 0.10
//   safetensors  config.json has dtype        0.18
std::string version_of(const Facts& facts, const ConfigBlock& block,
                       std::vector<std::string>& why) {
  why.push_back("the weights are in " + facts.source.container() + " files");
  if (facts.source.container() == "safetensors") {
    const bool new_key = facts.config.find("dtype") != nullptr;
    why.emplace_back(new_key ? "config.json says dtype, as transformers 5 does"
                             : "config.json says torch_dtype, as transformers 4 does");
    return new_key ? "0.18" : "0.9 to 0.10";
  }
  if (block.block == nullptr) {
    why.emplace_back("there is no quantization_config");
    return "0.6.5 to 0.7.0";
  }
  if (block.path.size() > 1) {
    why.push_back("quantization_config is inside " + block.path.front());
    return "0.7.1 to 0.8";
  }
  const bool has_dtype = block.block->find("quant_dtype") != nullptr;
  why.emplace_back(has_dtype ? "quantization_config has quant_dtype"
                             : "quantization_config has no quant_dtype");
  return has_dtype ? "0.7.0 to 0.8" : "0.6";
}

WriterGuess writer(const Facts& facts) {
  WriterGuess guess;
  guess.tool = "lmdeploy lite smooth_quant";
  guess.version = version_of(facts, block_of_method(facts, kMethod), guess.evidence);
  return guess;
}

const Codec* codec_for(const Scheme& scheme) {
  const Codec* codec = find_codec("lmdeploy-w8a8");
  return codec->holds(scheme) ? codec : nullptr;
}

Result<Json> quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("lmdeploy's smooth_quant needs a quantised weight");
  const Element element = request.quantized.front().scheme.element;
  for (const TargetWeight& weight : request.quantized) {
    if (weight.scheme.element != element) {
      return refused(printable(weight.module) + ": lmdeploy's smooth_quant has one quant_dtype, " +
                     "the weights have several");
    }
  }
  Json block = Json::object();
  block.set("quant_method", kMethod);
  block.set("quant_dtype", quant_dtype_of(element));
  return block;
}

}  // namespace

extern const Dialect k_dialect_lmdeploy;
const Dialect k_dialect_lmdeploy = {
    .name = "lmdeploy",
    .long_name = "smooth_quant: int8 or fp8 weights, activations dynamic per token",
    .source =
        "InternLM/lmdeploy lmdeploy/pytorch/models/q_modules.py@1263d5cd and the releases 0.6 "
        "to 0.18",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
