// GPTQ as AutoGPTQ and GPTQModel write it: X.qweight I32 [in x b / 32, out], X.qzeros, X.scales
// [groups, out], X.g_idx [in]; in Marlin's order X.B and X.s. Zero points are stored in two
// versions that only the config tells apart (dialect/gptq_reading.h).

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/gptq_check.h"
#include "dialect/gptq_config.h"
#include "dialect/gptq_reading.h"
#include "dialect/gptq_write.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

bool has_marlin_shape(const ModuleTensors& module) {
  const TensorInfo* words = module.find("B");
  const TensorInfo* scales = module.find("s");
  return words != nullptr && scales != nullptr && words->dtype == DType::kI32 &&
         words->shape.size() == 2 && scales->shape.size() == 2 &&
         words->shape[1] / 2 == scales->shape[1];
}

const ModuleTensors* first_quantised(const Facts& facts) {
  const ModuleTensors* module = facts.modules.first_with("qweight");
  if (module != nullptr) return has_gptq_shape(*module) ? module : nullptr;
  module = facts.modules.first_with("B");
  return module != nullptr && has_marlin_shape(*module) ? module : nullptr;
}

Recognition recognize(const Facts& facts) {
  const std::string method = declared_method(facts);
  if (method.ends_with("auto-round") || method == "auto_round") return {};  // a dialect of its own
  Recognition result;
  if (is_gptq_method(method)) {
    result.match = Match::kMaybe;
    result.evidence.push_back("quant_method is " + method);
  }
  const ModuleTensors* module = first_quantised(facts);
  if (module == nullptr) return result;
  result.match = Match::kYes;
  const TensorInfo* words = module->find("qweight");
  result.evidence.push_back(describe(words != nullptr ? *words : *module->find("B")));
  return result;
}

Error not_gptq(const ModuleTensors& module) {
  std::string parts;
  for (const auto& [suffix, tensor] : module.parts) {
    parts += fmt::format("{}{} {} {}", parts.empty() ? "" : ", ", printable(suffix),
                         name_of(tensor->dtype), to_string(tensor->shape));
  }
  return corrupt(
      fmt::format("{}: {}: expected GPTQ's qweight I32 [in x bits / 32, out], qzeros I32 "
                  "[groups, out x bits / 32], scales [groups, out]",
                  printable(module.module), parts));
}

Result<void> check_parts(const ModuleTensors& module) {
  for (const char* suffix : {"qweight", "qzeros", "scales"}) {
    if (module.find(suffix) != nullptr) continue;
    return corrupt(fmt::format("{}.{} is missing", printable(module.module), suffix));
  }
  if (module.find("weight") == nullptr) return {};
  return corrupt(fmt::format("{} has both a qweight and a weight", printable(module.module)));
}

Result<Weight> resolve_marlin(const ModuleTensors& module, const Scheme& declared,
                              const Facts& facts) {
  auto weight =
      weight_of(module, place_of(module, facts), {"B", "s"}, declared, *find_codec("gptq-marlin"));
  if (!weight) return not_gptq(module);
  weight->rows = module.find("s")->shape[1];
  weight->cols = module.find("B")->shape[0] * 16;
  return *std::move(weight);
}

Result<Weight> resolve_module(const ModuleTensors& module, const Scheme& declared,
                              const GptqReading& reading, const Facts& facts) {
  if (module.find("B") != nullptr) return resolve_marlin(module, declared, facts);
  RQ_CHECK(check_parts(module));
  // 5 to 7 bits are only ever planes, whatever the config says.
  for (const Codec* codec : {&reading.codec(declared), find_codec("gptq-p")}) {
    auto weight = weight_of(module, place_of(module, facts),
                            {"qweight", "qzeros", "scales", "g_idx"}, declared, *codec);
    if (!weight) continue;
    weight->rows = module.find("scales")->shape[1];
    weight->cols = module.find("qweight")->shape[0] * 32 / weight->scheme.bits;
    return *std::move(weight);
  }
  return not_gptq(module);
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  RQ_TRY(const GptqConfig config, read_gptq_config(facts, resolution.findings));
  RQ_TRY(const GptqReading reading, find_gptq_reading(facts, config, resolution.findings));
  for (const ModuleTensors& module : facts.modules.modules()) {
    const bool is_quantised = module.find("qweight") != nullptr ||
                              module.find("qzeros") != nullptr || has_marlin_shape(module);
    if (!is_quantised) continue;
    RQ_TRY(const auto settings, config.of(module.module));
    const Scheme declared = reading.scheme(settings.value_or(config.settings));
    RQ_TRY(auto weight, resolve_module(module, declared, reading, facts));
    resolution.weights.push_back(std::move(weight));
  }
  RQ_CHECK(check_gptq_config(facts, config, resolution));
  return resolution;
}

// "gptqmodel:7.7.0" in two.
std::pair<std::string_view, std::string_view> split_version(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

WriterGuess writer(const Facts& facts) {
  std::vector<Finding> ignored;
  const auto config = read_gptq_config(facts, ignored);
  WriterGuess guess;
  if (!config) return guess;
  const auto& metadata = facts.source.metadata();
  if (!config->quantizer.empty()) {
    const auto [name, version] = split_version(config->quantizer);
    guess.tool = name == "gptqmodel" ? "GPTQModel" : printable(name, 32);
    guess.version = printable(version, 32);
    guess.evidence = {config->where + ".meta.quantizer is " + in_quotes(config->quantizer)};
  } else if (const auto at = metadata.find("auto_gptq_version"); at != metadata.end()) {
    guess.tool = "AutoGPTQ";
    guess.version = printable(at->second, 32);
    guess.evidence = {"the files' metadata has auto_gptq_version"};
  } else if (config->from_autogptq) {
    guess.tool = "AutoGPTQ";
    guess.evidence = {config->where + " has is_marlin_format"};
  } else if (config->block != nullptr && config->block->find("block_name_to_quantize") != nullptr) {
    guess.tool = "optimum";
    guess.evidence = {config->where + " has block_name_to_quantize"};
  }
  return guess;
}

}  // namespace

extern const Dialect k_dialect_gptq;
const Dialect k_dialect_gptq = {
    .name = "gptq",
    .long_name = "AutoGPTQ and GPTQModel: 2 to 8 bits",
    .source =
        "AutoGPTQ/AutoGPTQ auto_gptq/quantization/config.py@0.7.1; "
        "ModelCloud/GPTQModel gptqmodel/quantization/config.py@f4c327a1",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = gptq_codec_for,
    .layouts = kGptqLayouts,
    .quantization_config = gptq_quantization_config,
    .side_files = gptq_side_files,
    .quant_methods = "gptq gptq_v2 gptq_marlin",
};

}  // namespace requant
