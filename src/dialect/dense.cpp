// No quantisation: weights are F32, F16, BF16 or F64. Takes what no other dialect recognises.

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// A matrix of numbers that only a scale could give a meaning.
const TensorInfo* first_unscaled(const Facts& facts) {
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* weight = module.find("weight");
    if (weight == nullptr || weight->shape.size() < 2 || is_float(weight->dtype)) continue;
    return weight;
  }
  return nullptr;
}

Recognition recognize(const Facts& facts) {
  if (const TensorInfo* odd = first_unscaled(facts)) {
    return {.match = Match::kMaybe, .evidence = {describe(*odd)}};
  }
  return {.match = Match::kYes, .evidence = {"every weight is stored as floats"}};
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  if (const TensorInfo* odd = first_unscaled(facts)) {
    Finding& finding = resolution.findings.emplace_back(
        make_finding(Severity::kError, "tensor.dtype", printable(odd->name),
                     fmt::format("is {}, and no scales are stored with it", name_of(odd->dtype))));
    finding.expected = "F32, F16 or BF16, or the scales of a quantised weight";
    finding.observed = name_of(odd->dtype);
    finding.why = "its numbers have no meaning without the scales";
  }
  for (const ConfigBlock& block : find_config_blocks(facts.config, facts.architecture)) {
    if (text_at(block.block, "quant_method") == "bitsandbytes") {
      resolution.findings.push_back(make_finding(
          Severity::kInfo, "bitsandbytes.not-quantised", "config.json",
          "quant_method is bitsandbytes and the weights are dense: they are quantised while "
          "loading"));
      continue;
    }
    Finding& finding = resolution.findings.emplace_back(
        make_finding(Severity::kError, "config.method-but-dense", "config.json",
                     fmt::format("'{}' states quant_method {}, and no weight is quantised",
                                 name_of(block), in_quotes(text_at(block.block, "quant_method")))));
    finding.why = "engines will look for quantised tensors that are not there";
    finding.repair = "remove " + name_of(block) + " from config.json";
  }
  return resolution;
}

const Codec* codec_for(const Scheme& scheme) {
  const Codec* codec = find_codec("dense");
  return codec->holds(scheme) ? codec : nullptr;
}

// null: config.json has no block.
Result<Json> quantization_config(const ConfigRequest&) { return Json(); }

}  // namespace

extern const Dialect k_dialect_dense;
const Dialect k_dialect_dense = {
    .name = "dense",
    .long_name = "not quantised",
    .source = "transformers: plain nn.Linear weights",
    .recognize = recognize,
    .resolve = resolve,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .stacks = StackRule::kMay,
};

}  // namespace requant
