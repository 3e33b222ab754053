// Scales by their values: none of these shows in headers, and engines report none of them.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "rule/cases.h"
#include "rule/run.h"

namespace requant {
namespace {

bool is_lmdeploy(const RuleRun& run) { return run.checkpoint().dialect().name == "lmdeploy"; }

void look_for_not_finite(RuleRun& run) {
  Cases cases;
  for (const ScaleFacts& scale : run.scales().all()) {
    if (scale.not_finite > 0) cases.add(scale.tensor->name, scale.not_finite);
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("{} scales are infinite or no number{}",
                                     grouped(cases.values()), cases.others()));
}

// lmdeploy divides rows of zeros by their largest value.
void look_for_lmdeploy_zeros(RuleRun& run) {
  if (!is_lmdeploy(run)) return;
  Cases cases;
  for (const ScaleFacts& scale : run.scales().all()) {
    if (scale.zero > 0) cases.add(scale.tensor->name, scale.zero);
  }
  if (!cases.any()) return;
  run.add(cases.first(),
          fmt::format("{} scales are zero{}", grouped(cases.values()), cases.others()));
}

// AutoAWQ's gemv layouts fill up rows of scales with zeros.
bool is_padded(const ScaleFacts& scale) {
  return scale.weight != nullptr && scale.weight->codec->name.starts_with("awq-gemv");
}

void look_for_zeros(RuleRun& run) {
  if (is_lmdeploy(run)) return;
  Cases whole;
  Cases part;
  for (const ScaleFacts& scale : run.scales().all()) {
    if (scale.zero == 0 || is_padded(scale)) continue;
    const bool all = scale.zero == scale.count;
    (all ? whole : part).add(scale.tensor->name, scale.zero);
  }
  if (whole.any()) run.add(whole.first(), "is zero" + whole.others());
  if (!part.any()) return;
  Finding& finding =
      run.add(part.first(), fmt::format("{} scales are zero beside others that are not{}",
                                        grouped(part.values()), part.others()));
  finding.severity = Severity::kWarning;
  finding.why = "what they scale reads as zero: an underflow, or a block that was all zeros";
}

// Writers that search the sign of integer scales too: auto-round, GGUF's tools, MLX, HQQ.
bool may_be_negative(const ScaleFacts& scale) {
  return scale.weight != nullptr && scale.weight->scheme.element == Element::kInt &&
         scale.name->use == ScaleUse::kWeight;
}

void look_for_negative(RuleRun& run) {
  Cases cases;
  Cases signed_search;
  for (const ScaleFacts& scale : run.scales().all()) {
    if (scale.negative == 0) continue;
    (may_be_negative(scale) ? signed_search : cases).add(scale.tensor->name, scale.negative);
  }
  if (cases.any()) {
    run.add(cases.first(),
            fmt::format("{} scales are negative{}", grouped(cases.values()), cases.others()));
  }
  if (!signed_search.any()) return;
  Finding& finding = run.add(signed_search.first(),
                             fmt::format("{} scales of integers are negative{}",
                                         grouped(signed_search.values()), signed_search.others()));
  finding.severity = Severity::kInfo;
  finding.why = "quantisers that search the sign write them, and kernels multiply by them as well";
  finding.repair.clear();
}

void look_for_subnormal(RuleRun& run) {
  Cases cases;
  for (const ScaleFacts& scale : run.scales().all()) {
    const DType dtype = scale.tensor->dtype;
    // 8-bit scales have few normal numbers, and kernels read them by table.
    if (scale.subnormal > 0 && is_half_or_single(dtype)) {
      cases.add(scale.tensor->name, scale.subnormal);
    }
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("{} scales are subnormal numbers{}", grouped(cases.values()),
                                     cases.others()));
}

// NVFP4's global scale is amax / 2688, or 2688 / amax where it divides; weights are well below
// 2688 and inputs rarely above.
constexpr double kLargestInput = 10;

void look_for_reciprocal(RuleRun& run) {
  Cases cases;
  double value = 0;
  bool divides = false;
  for (const ScaleFacts& scale : run.scales().all()) {
    const bool is_outer = scale.name->use == ScaleUse::kOuter;
    const bool is_input = scale.name->use == ScaleUse::kInput && scale.weight != nullptr &&
                          scale.weight->scheme.outer.has_value();
    if ((!is_outer && !is_input) || scale.largest == 0) continue;
    const double limit = is_input ? kLargestInput : 1;
    const bool odd = scale.name->divides ? scale.largest < 1 / limit : scale.smallest > limit;
    if (!odd) continue;
    if (!cases.any()) {
      value = scale.first;
      divides = scale.name->divides;
    }
    cases.add(scale.tensor->name);
  }
  if (!cases.any()) return;
  Finding& finding = run.add(
      cases.first(), fmt::format("is {:.4g}, which is the reciprocal of what belongs there{}",
                                 value, cases.others()));
  finding.expected = divides ? "2688 / the largest magnitude: well above 1"
                             : "the largest magnitude / 2688: well below 1";
  finding.observed = fmt::format("{:.4g}", value);
}

void look_at_exponents(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  bool claimed = false;
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    const Json* format = block.block->find("scale_fmt");
    claimed = claimed || (format != nullptr && format->as_string() == "ue8m0");
  }
  if (!claimed) return;
  Cases cases;
  for (const ScaleFacts& scale : run.scales().all()) {
    if (scale.name->use == ScaleUse::kWeight && scale.not_power_of_two > 0) {
      cases.add(scale.tensor->name, scale.not_power_of_two);
    }
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("scale_fmt is ue8m0, and {} scales are no powers of two{}",
                                     grouped(cases.values()), cases.others()));
}

bool has_suffix(const Weight& weight, std::string_view suffix) {
  return std::ranges::any_of(weight.parts, [&](const auto& part) {
    return split_tensor_name(part.second->name).second == suffix;
  });
}

// The experts of one layer and one projection, with and without a scale that any of them has.
struct Siblings {
  std::map<std::string_view, std::size_t> with;  // by suffix
  std::vector<const Weight*> all;
};

void look_for_incomplete_experts(RuleRun& run) {
  std::map<std::tuple<int, Tower, std::string_view>, Siblings> layers;
  for (const Weight& weight : run.checkpoint().weights()) {
    if (weight.place.expert < 0) continue;
    const std::string_view module = weight.module;
    auto& siblings =
        layers[{weight.place.layer, weight.place.tower, module.substr(module.rfind('.') + 1)}];
    siblings.all.push_back(&weight);
    for (const auto& [suffix, tensor] : weight.parts) {
      const auto name = split_tensor_name(tensor->name).second;
      if (scale_named(name) != nullptr) ++siblings.with[name];
    }
  }
  Cases cases;
  std::string missing;
  for (const auto& [key, siblings] : layers) {
    for (const auto& [suffix, count] : siblings.with) {
      if (count == siblings.all.size()) continue;
      for (const Weight* weight : siblings.all) {
        if (has_suffix(*weight, suffix)) continue;
        if (!cases.any()) missing = suffix;
        cases.add(weight->module);
      }
    }
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("has no {}, and other experts of its layer have one{}",
                                     missing, cases.others()));
}

void look_for_lone_cache_scales(RuleRun& run) {
  std::map<std::string, int> found;  // attention module -> 1: keys, 2: values
  for (const DenseTensor& dense : run.checkpoint().dense()) {
    const auto key = kv_scale_name(dense.tensor->name, KvScales::kAttention);
    if (!key) continue;
    const auto [module, suffix] = split_tensor_name(*key);
    found[std::string(module)] |= suffix == "k_scale" ? 1 : 2;
  }
  for (const auto& [module, which] : found) {
    if (which == 3) continue;
    run.add(printable(module),
            fmt::format("has a scale of its {} and none of its {}", which == 1 ? "keys" : "values",
                        which == 1 ? "values" : "keys"));
    return;
  }
}

// "X.k_proj.k_scale" where readers of this dialect look for "X.k_scale", or the reverse.
void look_for_cache_names(RuleRun& run) {
  const KvScales place = run.checkpoint().dialect().kv_scales;
  if (place == KvScales::kNone) return;
  Cases cases;
  std::string expected;
  for (const DenseTensor& dense : run.checkpoint().dense()) {
    const auto name = kv_scale_name(dense.tensor->name, place);
    if (!name || *name == dense.tensor->name) continue;
    if (!cases.any()) expected = *name;
    cases.add(dense.tensor->name);
  }
  if (!cases.any()) return;
  run.add(cases.first(), "is not where readers of this dialect look" + cases.others()).expected =
      printable(expected);
}

bool declares_cache(const Checkpoint& checkpoint) {
  const auto stated = [](const Json* value) { return value != nullptr && !value->is_null(); };
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    if (stated(block.block->find("kv_cache_scheme")) ||
        stated(block.block->find("kv_cache_quant_algo"))) {
      return true;
    }
  }
  const auto side = checkpoint.side().find("hf_quant_config.json");
  return side != checkpoint.side().end() &&
         stated(side->second.at({"quantization", "kv_cache_quant_algo"}));
}

void look_for_undeclared_cache(RuleRun& run) {
  if (declares_cache(run.checkpoint())) return;
  Cases cases;
  for (const DenseTensor& dense : run.checkpoint().dense()) {
    if (kv_scale_name(dense.tensor->name, KvScales::kAttention)) cases.add(dense.tensor->name);
  }
  if (!cases.any()) return;
  run.add(cases.first(), "is a scale of the cache, and no config declares one" + cases.others());
}

void say_what_was_not_read(RuleRun& run) {
  const std::size_t count = run.scales().not_read();
  if (count == 0) return;
  run.add("", fmt::format("{} of {} tensors of scales are large and were not read", grouped(count),
                          grouped(run.scales().all().size())));
}

constexpr auto kRules = std::to_array<Rule>({
    {.id = "scales.not-finite",
     .severity = Severity::kError,
     .text = "A scale is infinite or no number.",
     .why = "everything that it scales is no number, and so is the answer",
     .threads = "vllm #45212, Qwen3 #315",
     .depth = Depth::kScales,
     .look = look_for_not_finite},
    {.id = "scales.zero",
     .severity = Severity::kError,
     .text = "A tensor's scales are all zero, or some are.",
     .why = "weights read as zeros; engines that divide by it get infinities on some prompts only",
     .threads = "vllm #45212, sglang PR #33541, Model-Optimizer PR #1382",
     .depth = Depth::kScales,
     .look = look_for_zeros},
    {.id = "lmdeploy.zero-scale",
     .severity = Severity::kWarning,
     .text = "lmdeploy wrote scales of zero for rows of zeros.",
     .why = "lmdeploy divided rows of zeros by 0; in fp8 their codes are NaN, which spreads",
     .repair = "requant convert repairs them: codes 0, scale 1",
     .depth = Depth::kScales,
     .look = look_for_lmdeploy_zeros},
    {.id = "scales.negative",
     .severity = Severity::kError,
     .text = "A scale is negative where only magnitudes belong.",
     .why = "engines take it for unset, or turn every sign",
     .threads = "vllm #39764",
     .depth = Depth::kScales,
     .look = look_for_negative},
    {.id = "scales.subnormal",
     .severity = Severity::kInfo,
     .text = "A scale is a subnormal number.",
     .why = "kernels that flush these to zero lose the block",
     .threads = "Model-Optimizer PR #1382",
     .depth = Depth::kScales,
     .look = look_for_subnormal},
    {.id = "scales.reciprocal-global",
     .severity = Severity::kError,
     .text = "NVFP4's global scale is the reciprocal of what its name means.",
     .why = "ModelOpt stores the factor and compressed-tensors the divisor: weights come out wrong "
            "by its square",
     .repair = "rename the tensors to those of the other dialect, or export the model again",
     .threads = "modular #6600, PR #6699, imp PR #1433, llama.cpp PR #21095",
     .depth = Depth::kScales,
     .look = look_for_reciprocal},
    {.id = "scales.ue8m0",
     .severity = Severity::kWarning,
     .text = "scale_fmt says ue8m0, and scales are no powers of two.",
     .why = "engines that round them on loading change the weights",
     .threads = "DeepSeek-V3 #4, sglang #24111",
     .depth = Depth::kScales,
     .look = look_at_exponents},
    {.id = "scales.incomplete-experts",
     .severity = Severity::kError,
     .text = "Some experts of a layer lack a scale that the others have.",
     .why = "engines leave it at zero and divide by it: NaN on prompts that reach the expert",
     .threads = "vllm #45212",
     .look = look_for_incomplete_experts},
    {.id = "scales.lone-cache-scale",
     .severity = Severity::kWarning,
     .text = "An attention has a scale of its keys and none of its values, or the reverse.",
     .why = "engines use 1 for the other",
     .threads = "vllm #25047, auto-round #2370",
     .look = look_for_lone_cache_scales},
    {.id = "scales.cache-names",
     .severity = Severity::kWarning,
     .text = "Scales of the cache have the names of another dialect.",
     .why = "engines do not find them and use 1, silently",
     .repair = "requant convert writes them where readers look",
     .threads = "vllm #54623, #25047",
     .look = look_for_cache_names},
    {.id = "scales.undeclared-cache",
     .severity = Severity::kWarning,
     .text = "Scales of the cache are stored, and no config declares a quantised cache.",
     .why = "engines do not use them unless told to: --kv-cache-dtype fp8",
     .threads = "vllm #54623, llm-compressor #2176",
     .look = look_for_undeclared_cache},
    {.id = "scales.not-read",
     .severity = Severity::kInfo,
     .text = "Large tensors of scales were not read.",
     .why = "nothing is known of their values",
     .repair = "--deep reads all",
     .depth = Depth::kScales,
     .look = say_what_was_not_read},
});

}  // namespace

extern const RuleFamily k_rules_scales;
const RuleFamily k_rules_scales = {
    .name = "scales",
    .text = "scales and what goes with them, by their values",
    .rules = kRules,
};

}  // namespace requant
