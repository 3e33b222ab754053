// NVIDIA ModelOpt's unified checkpoints. The tensors tell the layout (codec/modelopt_*.cpp,
// codec/mx_weight_scale.cpp), the algorithm's name what is done to activations. config.json and
// hf_quant_config.json say the same; old files have only the second.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/modelopt_config.h"
#include "dialect/modelopt_stacks.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr auto kCodecs = std::to_array<std::string_view>(
    {"modelopt-nvfp4", "modelopt-int4", "mx-weight-scale", "modelopt-w8"});

bool is_coded(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  return weight != nullptr && module.find("weight_scale") != nullptr &&
         (weight->dtype == DType::kU8 || weight->dtype == DType::kI8 ||
          weight->dtype == DType::kF8E4M3);
}

// What no other tool writes: packed codes under two levels of scales.
bool is_nvfp4(const ModuleTensors& module) {
  return is_coded(module) && module.find("weight")->dtype == DType::kU8 &&
         module.find("weight_scale_2") != nullptr;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  const std::string method = declared_method(facts);
  const bool named = has_modelopt_config(facts);
  if (!named && !method.empty()) return result;
  if (named) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back(method.starts_with("modelopt")
                                     ? "quant_method is " + method
                                     : "there is a hf_quant_config.json");
  }
  if (!named && facts.modules.first_with("weight_scale") == nullptr) return result;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* stack = named ? find_modelopt_stack(module) : nullptr;
    if (stack != nullptr) {
      result.match = Match::kYes;
      result.evidence.push_back(describe(*stack));
      break;
    }
    const bool unique = is_nvfp4(module);
    // int4 and MX alone could be Quark's: possible, not certain.
    const bool possible = is_coded(module) && module.find("weight")->dtype == DType::kU8 &&
                          module.find("weight_scale")->shape.size() == 2;
    if (!(named ? is_coded(module) : unique || possible)) continue;
    result.match = named || unique ? Match::kYes : Match::kMaybe;
    result.evidence.push_back(describe(*module.find("weight")));
    break;
  }
  return result;
}

std::optional<Weight> try_codecs(const ModuleTensors& module, const Module& place,
                                 const Scheme& declared) {
  for (const std::string_view name : kCodecs) {
    auto weight =
        weight_of(module, place,
                  {"weight", "weight_scale", "weight_scale_2", "input_scale", "pre_quant_scale"},
                  declared, *find_codec(name));
    if (weight) return weight;
  }
  return std::nullopt;
}

// Parts that a layout does not have would be lost: weight_scale_2 beside FP8, say.
Result<void> check_parts(const Weight& weight) {
  const auto specs = weight.codec->layout(weight.scheme, weight.rows, weight.cols);
  if (!specs) return specs.error();
  for (const auto& [suffix, tensor] : weight.parts) {
    bool known = false;
    for (const PartSpec& spec : *specs) known = known || spec.suffix == suffix;
    if (!known) {
      return refused(
          fmt::format("{}, which {} has no place for", describe(*tensor), weight.codec->name));
    }
  }
  return {};
}

Result<Weight> resolve_module(const ModuleTensors& module, const ModeloptConfig& config,
                              const Facts& facts) {
  for (const char* extra : {"svdquant_lora_a", "svdquant_lora_b"}) {
    if (module.find(extra) == nullptr) continue;
    return refused(describe(*module.find(extra)) +
                   ": ModelOpt's NVFP4_SVD adds a low-rank product, which cannot be read yet");
  }
  Scheme declared;
  if (const ModeloptAlgorithm* algorithm = config.algorithm_for(module.module)) {
    declared.element = algorithm->element;
    declared.bits = algorithm->bits;
    declared.activations = algorithm->activations;
    // One group and one row are the same; keep the name that the file has for it.
    if (algorithm->codec == "modelopt-int4" && config.group_size > 0) {
      declared.grid = Grid::group(config.group_size);
    }
    // Of rows that are no multiple of 128, shapes alone would tell another size.
    Scheme in_blocks = declared;
    in_blocks.grid = Grid::block(128, 128);
    if (algorithm->codec == "modelopt-w8" && algorithm->fits(in_blocks)) declared = in_blocks;
  }
  auto weight = try_codecs(module, place_of(module, facts), declared);
  const TensorInfo& codes = *module.find("weight");
  if (!weight) {
    return corrupt(fmt::format("{} and {} are no layout of ModelOpt",
                               describe(*module.find("weight_scale")), describe(codes)));
  }
  const bool pairs_rows = weight->codec->name == "modelopt-int4";
  weight->rows = codes.shape[0] * (pairs_rows ? 2 : 1);
  weight->cols = codes.shape[1];
  if (!pairs_rows && codes.dtype == DType::kU8) weight->cols *= 2;
  RQ_CHECK(check_parts(*weight));
  return *std::move(weight);
}

void check_algorithms(const ModeloptConfig& config, Resolution& resolution) {
  Modules others;
  for (const Weight& weight : resolution.weights) {
    const ModeloptAlgorithm* algorithm = config.algorithm_for(weight.module);
    if (algorithm != nullptr && (algorithm->element != weight.scheme.element ||
                                 !weight.codec->name.starts_with(algorithm->codec))) {
      others.add(weight.module);
    }
  }
  if (!others.any()) return;
  resolution.findings.push_back(
      make_finding(Severity::kError, "config.scheme-disagrees", config.file,
                   fmt::format("'{}.quant_algo' is {}, which {} is not", config.where,
                               printable(config.algorithm, 64), others.text())));
}

// Engines size their parameters by config_groups, whatever the algorithm's name means.
void check_groups(const ModeloptConfig& config, Resolution& resolution) {
  Modules others;
  for (const Weight& weight : resolution.weights) {
    const Scheme& scheme = weight.scheme;
    const bool bits = config.stated_bits > 0 && config.stated_bits != scheme.bits;
    const bool group = config.stated_group > 0 && scheme.grid.is_group() &&
                       config.stated_group != scheme.grid.block_cols;
    if (bits || group) others.add(weight.module);
  }
  if (!others.any()) return;
  resolution.findings.push_back(make_finding(
      Severity::kError, "config.scheme-disagrees", config.file,
      fmt::format("'{}.config_groups' states {} bits in groups of {}, which {} has not",
                  config.where, config.stated_bits, config.stated_group, others.text())));
}

// A name that promises quantised activations beside weights without an input_scale.
void check_activations(const ModeloptConfig& config, Resolution& resolution) {
  Modules missing;
  for (const Weight& weight : resolution.weights) {
    const ModeloptAlgorithm* algorithm = config.algorithm_for(weight.module);
    if (algorithm != nullptr && algorithm->activations.kind != ActivationKind::kNone &&
        weight.scheme.activations.kind == ActivationKind::kNone) {
      missing.add(weight.module);
    }
  }
  if (!missing.any()) return;
  resolution.findings.push_back(make_finding(
      Severity::kWarning, "modelopt.no-input-scale", config.file,
      fmt::format("'{}.quant_algo' is {}, and {} has no input_scale: only its weight is quantised",
                  config.where, printable(config.algorithm, 64), missing.text())));
}

Result<Resolution> resolve(const Facts& facts) {
  RQ_TRY(const ModeloptConfig config, parse_modelopt_config(facts));
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    RQ_TRY(auto stacks, modelopt_stacks(module, config, facts));
    std::ranges::move(stacks, std::back_inserter(resolution.weights));
    const TensorInfo* scale = module.find("weight_scale");
    if (is_coded(module)) {
      if (module.find("weight")->shape.size() == 3) {
        return refused(describe(*module.find("weight")) +
                       ": experts in one tensor cannot be read yet");
      }
      RQ_TRY(auto weight, resolve_module(module, config, facts));
      resolution.weights.push_back(std::move(weight));
    } else if (scale != nullptr && module.find("weight") == nullptr) {
      return corrupt(describe(*scale) + ", and there is no weight beside it");
    }
  }
  check_algorithms(config, resolution);
  check_groups(config, resolution);
  check_activations(config, resolution);
  check_module_list(facts, config.excluded, config.where + "." + config.list_name, resolution);
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  WriterGuess guess;
  const auto config = parse_modelopt_config(facts);
  if (!config || !has_modelopt_config(facts)) return guess;
  guess.tool = "NVIDIA ModelOpt";
  guess.version = printable(text_at(config->producer, "version"), 32);
  if (!guess.version.empty()) guess.evidence = {config->file + " names its producer"};
  return guess;
}

const Codec* codec_for(const Scheme& scheme) {
  const ModeloptAlgorithm* algorithm = modelopt_algorithm_of(scheme);
  return algorithm == nullptr ? nullptr : find_codec(algorithm->codec);
}

}  // namespace

extern const Dialect k_dialect_modelopt;
const Dialect k_dialect_modelopt = {
    .name = "modelopt",
    .long_name = "NVIDIA ModelOpt: FP8, INT8, INT4 AWQ, NVFP4, MXFP4, MXFP8, mixed",
    .source = "nvidia-modelopt torch/export/unified_export_hf.py@0.47.0",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantization_config = modelopt_quantization_config,
    .side_files = modelopt_side_files,
    .kv_scales = KvScales::kProjection,
    .quant_methods = "modelopt modelopt_fp4 modelopt_mxfp8 modelopt_mixed",
    .scales_are_f32 = true,
};

}  // namespace requant
