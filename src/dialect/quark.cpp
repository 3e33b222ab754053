// AMD Quark. config.json states a scheme for all modules (global_quant_config), with exceptions by
// name or pattern (layer_quant_config) and by class; the tensors have the names of ModelOpt's, the
// layouts of AWQ (4-bit integers), ModelOpt (FP8) and OCP (MX formats).

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/module_list.h"
#include "dialect/quark_write.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "quark";

struct DTypeName {
  std::string_view name;
  Element element;
  int bits;
};
constexpr DTypeName kDTypes[] = {
    {"int4", Element::kInt, 4},        {"uint4", Element::kInt, 4}, {"int8", Element::kInt, 8},
    {"fp8_e4m3", Element::kE4M3Fn, 8}, {"fp4", Element::kE2M1, 4},  {"fp6_e2m3", Element::kE2M3, 6},
    {"fp6_e3m2", Element::kE3M2, 6},
};

// What one entry of the config says of weights and inputs.
struct QuarkSpec {
  Scheme declared;
  bool is_unsigned = false;
};

struct QuarkConfig {
  std::string where;
  bool reorders = true;
  QuarkSpec all;
  std::vector<std::pair<std::string, QuarkSpec>> layers;  // by glob
  ModuleList excluded;
};

Recognition recognize(const Facts& facts) {
  Recognition result;
  const std::string method = declared_method(facts);
  if (method == kMethod) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is quark");
  } else if (!method.empty()) {
    return result;
  }
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* weight = module.find("weight");
    const TensorInfo* scale = module.find("weight_scale");
    if (weight == nullptr || scale == nullptr) continue;
    // Words of codes beside weight_scale: nobody else has these two names together.
    if (result.match == Match::kNo && weight->dtype != DType::kI32) continue;
    result.match = Match::kYes;
    result.evidence.push_back(describe(*weight));
    break;
  }
  return result;
}

Result<const DTypeName*> dtype_in(const Json& spec, const std::string& where) {
  const std::string_view name = text_at(&spec, "dtype");
  for (const DTypeName& known : kDTypes) {
    if (known.name == name) return &known;
  }
  return refused(
      fmt::format("config.json: {}: Quark's dtype {} cannot be read yet", where, in_quotes(name)));
}

Result<Activations> parse_inputs(const Json* inputs, const std::string& where) {
  if (inputs == nullptr || inputs->is_null()) return Activations::none();
  RQ_TRY(const DTypeName* dtype, dtype_in(*inputs, where));
  Activations activations;
  const Json* dynamic = inputs->find("is_dynamic");
  const bool is_dynamic = dynamic != nullptr && dynamic->as_bool().value_or(false);
  activations.kind = is_dynamic ? ActivationKind::kDynamic : ActivationKind::kStatic;
  activations.element = dtype->element;
  activations.bits = dtype->bits;
  const Json* symmetric = inputs->find("symmetric");
  activations.symmetric = symmetric == nullptr || symmetric->as_bool().value_or(true);
  const std::string_view scheme = text_at(inputs, "qscheme");
  if (scheme == "per_channel") {
    activations.granularity = Granularity::kToken;
  } else if (scheme == "per_group") {
    activations.granularity = Granularity::kGroup;
    const Json* group = inputs->find("group_size");
    activations.group = group == nullptr ? 0 : group->as_int().value_or(0);
  } else if (scheme != "per_tensor") {
    return refused(fmt::format("config.json: {}: Quark's qscheme {} of activations cannot be read",
                               where, in_quotes(scheme)));
  }
  return activations;
}

Result<QuarkSpec> parse_spec(const Json& entry, const std::string& where) {
  QuarkSpec spec;
  const Json* weight = entry.find("weight");
  if (weight == nullptr || weight->is_null()) return spec;
  if (!weight->is_object()) {
    return refused(
        fmt::format("config.json: {}: weights quantised in two stages cannot be read yet", where));
  }
  RQ_TRY(const DTypeName* dtype, dtype_in(*weight, where));
  spec.declared.element = dtype->element;
  spec.declared.bits = dtype->bits;
  spec.is_unsigned = dtype->name.starts_with('u');
  const Json* group = weight->find("group_size");
  const std::int64_t size = group == nullptr ? 0 : group->as_int().value_or(0);
  if (text_at(weight, "qscheme") == "per_group" && size > 0) {
    spec.declared.grid = Grid::group(size);
  }
  RQ_TRY(spec.declared.activations, parse_inputs(entry.find("input_tensors"), where));
  return spec;
}

Result<QuarkConfig> parse_config(const Json& block, std::string where) {
  QuarkConfig config;
  config.where = std::move(where);
  const std::string_view order = text_at(block.at({"export"}), "pack_method");
  config.reorders = order == "reorder";
  const Json* all = block.find("global_quant_config");
  if (all != nullptr && all->is_object()) {
    RQ_TRY(config.all, parse_spec(*all, config.where + ".global_quant_config"));
  }
  if (const Json* layers = block.find("layer_quant_config")) {
    for (const auto& [pattern, entry] : layers->members()) {
      RQ_TRY(auto spec, parse_spec(entry, config.where + ".layer_quant_config"));
      config.layers.emplace_back(pattern, std::move(spec));
    }
  }
  config.excluded = ModuleList(block.find("exclude"));
  return config;
}

const QuarkSpec& spec_for(const QuarkConfig& config, std::string_view module) {
  for (const auto& [pattern, spec] : config.layers) {
    if (glob_matches(pattern, module)) return spec;
  }
  return config.all;
}

// int4 is in two's complement and symmetric, uint4 has zero points.
Scheme declared_scheme(const QuarkSpec& spec) {
  Scheme declared = spec.declared;
  if (spec.is_unsigned) declared.offset = Offset::kZero;
  return declared;
}

std::optional<Weight> try_codecs(const ModuleTensors& module, const Module& place,
                                 const QuarkConfig& config, const QuarkSpec& spec) {
  const Scheme declared = declared_scheme(spec);
  if (module.find("weight")->dtype == DType::kI32) {
    return weight_of(module, place, {"weight", "weight_scale", "weight_zero_point"}, declared,
                     *find_codec(config.reorders ? "quark-int4" : "quark-int4-plain"));
  }
  for (const char* name : {"modelopt-nvfp4", "mx-weight-scale"}) {
    auto weight = weight_of(module, place, {"weight", "weight_scale", "weight_scale_2"}, declared,
                            *find_codec(name));
    if (weight) return weight;
  }
  return weight_of(module, place, {"weight", "weight_scale", "input_scale"}, declared,
                   *find_codec("modelopt-w8"));
}

Result<Weight> resolve_module(const ModuleTensors& module, const QuarkConfig& config,
                              const Facts& facts) {
  const TensorInfo& codes = *module.find("weight");
  const TensorInfo& scale = *module.find("weight_scale");
  const QuarkSpec& spec = spec_for(config, module.module);
  auto weight = try_codecs(module, place_of(module, facts), config, spec);
  if (!weight) {
    return refused(fmt::format("{} and {}: this layout of Quark cannot be read yet",
                               describe(codes), describe(scale)));
  }
  const bool is_words = codes.dtype == DType::kI32;
  weight->rows = is_words ? scale.shape[1] : codes.shape[0];
  weight->cols = is_words ? codes.shape[0] : codes.shape[1];
  // The bytes of a row hold more codes than bytes.
  if (codes.dtype == DType::kU8) weight->cols = weight->cols * 8 / weight->scheme.bits;
  return *std::move(weight);
}

bool is_coded(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  return weight != nullptr && module.find("weight_scale") != nullptr && !is_float(weight->dtype);
}

// One group and one row are the same.
bool is_declared(const Scheme& declared, const Weight& weight) {
  const Grid& grid = weight.scheme.grid;
  if (declared.element != weight.scheme.element) return false;
  const bool one_group = grid.is_channel() && declared.grid.block_cols == weight.cols;
  return !declared.grid.is_group() || grid == declared.grid || one_group;
}

void check_schemes(const QuarkConfig& config, Resolution& resolution) {
  Modules others;
  for (const Weight& weight : resolution.weights) {
    if (!is_declared(spec_for(config, weight.module).declared, weight)) others.add(weight.module);
  }
  if (!others.any()) return;
  resolution.findings.push_back(
      make_finding(Severity::kError, "config.scheme-disagrees", "config.json",
                   fmt::format("'{}' states another element type or group size than {} has",
                               config.where, others.text())));
}

Result<Resolution> resolve(const Facts& facts) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block == nullptr) {
    return refused("quark: without a quantization_config the order of the codes is not known");
  }
  RQ_TRY(const QuarkConfig config, parse_config(*block.block, name_of(block)));
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* scale = module.find("weight_scale");
    if (is_coded(module)) {
      RQ_TRY(auto weight, resolve_module(module, config, facts));
      resolution.weights.push_back(std::move(weight));
    } else if (scale != nullptr && module.find("weight") == nullptr) {
      return corrupt(describe(*scale) + ", and there is no weight beside it");
    }
  }
  check_schemes(config, resolution);
  check_module_list(facts, config.excluded, config.where + ".exclude", resolution);
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  WriterGuess guess;
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block == nullptr) return guess;
  guess.tool = "AMD Quark";
  guess.version = printable(text_at(block.block, "version"), 32);
  if (!guess.version.empty()) guess.evidence = {name_of(block) + ".version is " + guess.version};
  return guess;
}

}  // namespace

extern const Dialect k_dialect_quark;
const Dialect k_dialect_quark = {
    .name = kMethod,
    .long_name = "AMD Quark: int4, uint4, FP8, MXFP4, MXFP6",
    .source = "amd-quark quark/torch/export@0.13",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = quark_codec_for,
    .quantization_config = quark_quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
