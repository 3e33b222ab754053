// MLX (mlx-lm): X.weight as words with X.scales, and X.biases where codes are integers. Which bits
// and groups is in config.json, for all modules and for those that it names; a module is quantised
// where it has scales, embeddings and the head among them.

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "codec/mlx_words.h"
#include "dialect/dialect.h"
#include "dialect/mlx_config.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kName = "mlx";
constexpr const char* kCodecs[] = {"mlx-affine", "mlx-mx", "mlx-nvfp4"};

bool is_words(const TensorInfo* tensor) {
  return tensor != nullptr && tensor->dtype == DType::kU32;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (declared_method(facts) == kName) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is mlx");
  }
  if (facts.config.find(kMlxKey) != nullptr) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("config.json has 'quantization'");
  }
  if (facts.modules.first_with("scales") == nullptr) return result;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* weight = module.find("weight");
    if (!is_words(weight) || module.find("scales") == nullptr) continue;
    result.match = Match::kYes;
    result.evidence.push_back(describe(*weight));
    break;
  }
  return result;
}

std::optional<Weight> try_codecs(const ModuleTensors& module, const Facts& facts,
                                 const Scheme& declared) {
  const Module place = place_of(module, facts);
  for (const char* name : kCodecs) {
    auto weight = weight_of(module, place, {"weight", "scales", "biases", "global_scale"}, declared,
                            *find_codec(name));
    if (weight) return weight;
  }
  return std::nullopt;
}

// REQUIRES: a codec has found the tensors to fit.
void set_size(Weight& weight) {
  WeightParts shapes;
  for (const auto& [suffix, tensor] : weight.parts) {
    shapes.emplace(suffix, Tensor{tensor->dtype, tensor->shape, {}});
  }
  const auto shape = mlx_shape(shapes);
  weight.rows = shape->rows;
  weight.cols = mlx_cols(*shape, weight.scheme.bits);
  weight.experts = shape->experts;
}

Error does_not_fit(const ModuleTensors& module, const MlxSpec& spec, const std::string& where) {
  std::string companions;
  for (const char* suffix : {"scales", "biases"}) {
    if (const TensorInfo* tensor = module.find(suffix)) companions += ", " + describe(*tensor);
  }
  return corrupt(fmt::format("{}{}, expected those of {} {} bits in groups of {}, as {} says",
                             describe(*module.find("weight")), companions, spec.mode, spec.bits,
                             spec.group, where));
}

Result<Weight> resolve_module(const ModuleTensors& module, const std::optional<MlxConfig>& config,
                              const Facts& facts) {
  const MlxSpec* spec = config ? config->spec_for(module.module) : nullptr;
  if (spec == nullptr && config) spec = &config->all;
  const bool is_affine = module.find("biases") != nullptr;
  if (spec == nullptr && is_affine) {
    return refused(
        fmt::format("{}: without config.json's 'quantization' its bits and groups are "
                    "not known",
                    describe(*module.find("weight"))));
  }
  const MlxSpec usual;
  if (spec == nullptr) spec = &usual;
  auto weight = try_codecs(module, facts, declared_by(*spec));
  if (!weight) {
    return does_not_fit(module, *spec, config ? "config.json: " + config->where : "MLX");
  }
  set_size(*weight);
  return *std::move(weight);
}

// Modules whose tensors are not what the block says of them.
void check_config(const MlxConfig& config, Resolution& resolution) {
  Modules others;
  for (const Weight& weight : resolution.weights) {
    const MlxSpec* spec = config.spec_for(weight.module);
    if (spec == nullptr || spec_of(weight.scheme) != *spec) others.add(weight.module);
  }
  if (!others.any()) return;
  resolution.findings.push_back(make_finding(
      Severity::kError, "config.scheme-disagrees", "config.json",
      fmt::format("'{}' says of {} what their tensors are not", config.where, others.text())));
}

Result<Resolution> resolve(const Facts& facts) {
  RQ_TRY(const auto config, read_mlx_config(facts.config));
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* weight = module.find("weight");
    const TensorInfo* scales = module.find("scales");
    if (is_words(weight) && scales != nullptr) {
      RQ_TRY(auto found, resolve_module(module, config, facts));
      resolution.weights.push_back(std::move(found));
    } else if (is_words(weight)) {
      return corrupt(describe(*weight) + ", and there are no scales beside it");
    } else if (scales != nullptr) {
      return corrupt(describe(*scales) + ", and there are no words of codes beside it");
    }
  }
  if (config) check_config(*config, resolution);
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  WriterGuess guess;
  const auto format = facts.source.metadata().find("format");
  if (format == facts.source.metadata().end() || format->second != kName) return guess;
  guess.tool = "mlx-lm";
  guess.evidence = {"the files' metadata says that their format is mlx"};
  return guess;
}

const Codec* codec_for(const Scheme& scheme) {
  for (const char* name : kCodecs) {
    const Codec* codec = find_codec(name);
    if (codec->holds(scheme)) return codec;
  }
  return nullptr;
}

// The spec that most weights have, and of those the one that comes first.
MlxSpec commonest_spec(std::span<const TargetWeight> weights) {
  std::vector<std::pair<MlxSpec, std::size_t>> counts;
  for (const TargetWeight& weight : weights) {
    const MlxSpec spec = spec_of(weight.scheme);
    const auto found = std::ranges::find(counts, spec, [](const auto& one) { return one.first; });
    if (found == counts.end()) {
      counts.emplace_back(spec, 1);
    } else {
      ++found->second;
    }
  }
  return std::ranges::max_element(counts, {}, [](const auto& one) { return one.second; })->first;
}

Result<Json> quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("mlx needs a quantised weight");
  const MlxSpec all = commonest_spec(request.quantized);
  Json block = json_of(all);
  for (const TargetWeight& weight : request.quantized) {
    if (weight.place.expert >= 0) {
      return refused(
          fmt::format("{}: mlx-lm has the experts of a layer in one tensor, which cannot "
                      "be written yet",
                      printable(weight.module)));
    }
    const MlxSpec spec = spec_of(weight.scheme);
    if (spec != all) block.set(weight.module, json_of(spec));
  }
  return block;
}

}  // namespace

extern const Dialect k_dialect_mlx;
const Dialect k_dialect_mlx = {
    .name = kName,
    .long_name = "MLX: affine 2 to 8 bits, mxfp4, mxfp8, nvfp4",
    .source = "ml-explore/mlx-lm mlx_lm/utils.py@0.32.2",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .config_twin = kMlxKey,
    .quant_methods = kName,
    .quantises_embeddings = true,
};

}  // namespace requant
