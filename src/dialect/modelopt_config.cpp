#include "dialect/modelopt_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/letter_case.h"
#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kSideFile = "hf_quant_config.json";
constexpr std::string_view kMixed = "MIXED_PRECISION";

consteval Activations dynamic_group(Element element, int bits, std::int64_t group) {
  return {.kind = ActivationKind::kDynamic,
          .element = element,
          .bits = bits,
          .granularity = Granularity::kGroup,
          .group = group};
}

constexpr Activations kStaticFp8 = {.kind = ActivationKind::kStatic, .element = Element::kE4M3Fn};
constexpr Activations kStaticInt8 = {.kind = ActivationKind::kStatic};
constexpr Activations kTokenFp8 = {.kind = ActivationKind::kDynamic,
                                   .element = Element::kE4M3Fn,
                                   .granularity = Granularity::kToken};
constexpr Activations kNvfp4 = dynamic_group(Element::kE2M1, 4, 16);

constexpr Element kFp8 = Element::kE4M3Fn;
constexpr Element kFp4 = Element::kE2M1;

bool per_tensor(const Scheme& s) { return s.grid.is_tensor() && !s.input_multiplier; }
bool per_row(const Scheme& s) { return s.grid.is_channel(); }
bool per_block(const Scheme& s) { return s.grid == Grid::block(128, 128) && !s.input_multiplier; }
bool plain(const Scheme& s) { return !s.input_multiplier; }
bool multiplied(const Scheme& s) { return s.input_multiplier; }
bool grouped(const Scheme& s) { return s.grid.is_group(); }

// Where a scheme fits several, the first counts.
constexpr auto kAlgorithms = std::to_array<ModeloptAlgorithm>({
    {"FP8", "modelopt-w8", kFp8, 8, kStaticFp8, per_tensor},
    {"FP8_PER_CHANNEL_PER_TOKEN", "modelopt-w8", kFp8, 8, kTokenFp8, per_row},
    {"FP8_PB_WO", "modelopt-w8", kFp8, 8, {}, per_block},
    {"FP8_BLOCK_SCALES", "modelopt-w8", kFp8, 8, {}, per_block},
    {"W8A8_SQ_PER_CHANNEL", "modelopt-w8", Element::kInt, 8, kStaticInt8, per_row},
    {"W8A16", "modelopt-w8", Element::kInt, 8, {}, per_row},
    {"W4A16_AWQ", "modelopt-int4", Element::kInt, 4, {}, grouped},
    {"W4A8_AWQ", "modelopt-int4", Element::kInt, 4, kStaticFp8, grouped},
    {"NVFP4", "modelopt-nvfp4", kFp4, 4, kNvfp4, plain},
    {"NVFP4_AWQ", "modelopt-nvfp4", kFp4, 4, kNvfp4, multiplied},
    {"W4A16_NVFP4", "modelopt-nvfp4", kFp4, 4, {}, plain},
    {"W4A8_NVFP4_FP8", "modelopt-nvfp4", kFp4, 4, kStaticFp8, plain},
    {"MXFP8", "mx-weight-scale", kFp8, 8, dynamic_group(kFp8, 8, 32), plain},
    {"MXFP4", "mx-weight-scale", kFp4, 4, dynamic_group(kFp4, 4, 32), plain},
});

bool is_modelopt(std::string_view method) {
  return method == "modelopt" || method.starts_with("modelopt_");
}

ConfigBlock block_of(const Facts& facts) {
  for (ConfigBlock& block : find_config_blocks(facts.config, facts.architecture)) {
    if (is_modelopt(text_at(block.block, "quant_method"))) return std::move(block);
  }
  return {};
}

const Json* side_of(const Facts& facts) {
  const auto side = facts.side.find(std::string(kSideFile));
  return side == facts.side.end() ? nullptr : &side->second;
}

Result<std::string> checked_algorithm(const Json* object, const std::string& where) {
  const std::string_view name = text_at(object, "quant_algo");
  if (name.empty() || to_upper(name) == kMixed || find_modelopt_algorithm(name) != nullptr) {
    return std::string(name);
  }
  return refused(
      fmt::format("{}: ModelOpt's 'quant_algo' {} cannot be read yet", where, in_quotes(name)));
}

Result<void> parse_layers(const Json* layers, ModeloptConfig& config) {
  if (layers == nullptr || layers->is_null()) return {};
  if (!layers->is_object()) {
    return corrupt(
        fmt::format("{}: '{}.quantized_layers' is no object", config.file, config.where));
  }
  for (const auto& [name, layer] : layers->members()) {
    RQ_TRY(auto algorithm, checked_algorithm(&layer, config.file + ": " + printable(name)));
    config.layers.emplace(name, std::move(algorithm));
  }
  return {};
}

void parse_groups(const Json* groups, ModeloptConfig& config) {
  if (groups == nullptr || groups->members().size() != 1) return;
  const Json* weights = groups->members().front().second.find("weights");
  if (weights == nullptr || !weights->is_object()) return;
  const auto number = [&](std::string_view key) {
    const Json* value = weights->find(key);
    return value == nullptr ? 0 : value->as_int().value_or(0);
  };
  config.stated_bits = static_cast<int>(number("num_bits"));
  config.stated_group = number("group_size");
}

Result<void> parse_object(const Json& object, ModeloptConfig& config) {
  RQ_TRY(config.algorithm, checked_algorithm(&object, config.file));
  config.excluded = ModuleList(object.find(config.list_name));
  parse_groups(object.find("config_groups"), config);
  return parse_layers(object.find("quantized_layers"), config);
}

}  // namespace

const ModeloptAlgorithm* find_modelopt_algorithm(std::string_view name) {
  const std::string wanted = to_upper(name);
  for (const ModeloptAlgorithm& algorithm : kAlgorithms) {
    if (algorithm.name == wanted) return &algorithm;
  }
  return nullptr;
}

const ModeloptAlgorithm* modelopt_algorithm_of(const Scheme& scheme) {
  const auto holds = [&](const ModeloptAlgorithm& algorithm) {
    return algorithm.element == scheme.element && algorithm.bits == scheme.bits &&
           algorithm.activations == scheme.activations && algorithm.fits(scheme) &&
           find_codec(algorithm.codec)->holds(scheme);
  };
  const auto at = std::find_if(kAlgorithms.begin(), kAlgorithms.end(), holds);
  return at == kAlgorithms.end() ? nullptr : &*at;
}

const ModeloptAlgorithm* ModeloptConfig::algorithm_for(std::string_view module) const {
  const auto own = layers.find(module);
  if (own != layers.end()) return find_modelopt_algorithm(own->second);
  for (const auto& [pattern, name] : layers) {
    if (glob_matches(pattern, module)) return find_modelopt_algorithm(name);
  }
  return find_modelopt_algorithm(algorithm);
}

bool has_modelopt_config(const Facts& facts) {
  return block_of(facts).block != nullptr || side_of(facts) != nullptr;
}

Result<ModeloptConfig> parse_modelopt_config(const Facts& facts) {
  ModeloptConfig config;
  const ConfigBlock block = block_of(facts);
  const Json* side = side_of(facts);
  const Json* object = side == nullptr ? nullptr : side->find("quantization");
  const Json* group = object == nullptr ? nullptr : object->find("group_size");
  if (group != nullptr) config.group_size = group->as_int().value_or(0);
  if (block.block != nullptr) {
    config.where = name_of(block);
    config.producer = block.block->find("producer");
    RQ_CHECK(parse_object(*block.block, config));
    if (!config.algorithm.empty() || !config.layers.empty()) return config;
  }
  if (object == nullptr || !object->is_object()) return config;
  config.file = kSideFile;
  config.where = "quantization";
  config.list_name = "exclude_modules";
  config.producer = side->find("producer");
  RQ_CHECK(parse_object(*object, config));
  return config;
}

}  // namespace requant
