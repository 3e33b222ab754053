#include "dialect/ct_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kReadable[] = {"int-quantized",   "float-quantized", "naive-quantized",
                                          "mixed-precision", "dense",           ""};
constexpr std::string_view kKnown[] = {"pack-quantized",       "nvfp4-pack-quantized",
                                       "mxfp4-pack-quantized", "mxfp6-pack-quantized",
                                       "mxfp8-quantized",      "marlin-24",
                                       "sparse-24-bitmask",    "sparse-bitmask"};

struct Preset {
  std::string_view name;
  std::string_view weights;
  std::string_view inputs;
};
// compressed_tensors/quantization/quant_scheme.py@0.19.0; those that store one code a byte.
constexpr std::string_view kInt8Channel =
    R"({"num_bits":8,"type":"int","symmetric":true,"strategy":"channel","dynamic":false})";
constexpr std::string_view kInt8Token =
    R"({"num_bits":8,"type":"int","symmetric":true,"strategy":"token","dynamic":true})";
constexpr std::string_view kFp8Tensor =
    R"({"num_bits":8,"type":"float","symmetric":true,"strategy":"tensor","dynamic":false})";
constexpr std::string_view kFp8Channel =
    R"({"num_bits":8,"type":"float","symmetric":true,"strategy":"channel","dynamic":false})";
constexpr std::string_view kFp8Token =
    R"({"num_bits":8,"type":"float","symmetric":true,"strategy":"token","dynamic":true})";
constexpr Preset kPresets[] = {{"W8A8", kInt8Channel, kInt8Token},
                               {"INT8", kInt8Channel, kInt8Token},
                               {"FP8", kFp8Tensor, kFp8Tensor},
                               {"FP8_DYNAMIC", kFp8Channel, kFp8Token}};

std::string shown(const Json* value) {
  return value == nullptr ? "missing" : printable(value->dump(), 80);
}

Error bad(std::string_view key, const Json* value, std::string_view expected) {
  return corrupt(fmt::format("'{}' is {}, expected {}", key, shown(value), expected));
}

const Json* present(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::int64_t> bits_of(const Json& args) {
  const Json* bits = present(args, "num_bits");
  if (bits == nullptr) return std::int64_t{8};
  const auto value = bits->as_int().value_or(0);
  if (value < 1 || value > 8) return bad("num_bits", bits, "1 to 8");
  return value;
}

Result<Element> element_of(const Json& args, std::int64_t bits) {
  const Json* type = present(args, "type");
  const std::string_view name = type == nullptr ? "int" : type->as_string().value_or("");
  if (name == "int") return Element::kInt;
  if (name != "float") return bad("type", type, "int or float");
  if (bits == 8) return Element::kE4M3Fn;
  if (bits == 4) return Element::kE2M1;
  if (bits == 6) return Element::kE2M3;
  return bad("num_bits", args.find("num_bits"), "4, 6 or 8 for a float");
}

Result<std::int64_t> group_of(const Json& args) {
  const Json* group = present(args, "group_size");
  if (group == nullptr) return std::int64_t{0};
  const auto size = group->as_int();
  if (!size || *size == 0 || *size < -1)
    return bad("group_size", group, "a positive integer or -1");
  return *size;
}

Result<Grid> block_of(const Json& args) {
  const Json* block = present(args, "block_structure");
  std::vector<std::int64_t> sizes;
  if (block != nullptr && block->is_array()) {
    for (const Json& item : block->items()) sizes.push_back(item.as_int().value_or(0));
  } else if (block != nullptr) {  // "128x128" in old files
    for (const auto part : split(block->as_string().value_or(""), 'x')) {
      sizes.push_back(Json::number(std::string(part)).as_int().value_or(0));
    }
  }
  if (sizes.size() != 2 || sizes[0] < 1 || sizes[1] < 1) {
    return bad("block_structure", block, "two positive integers");
  }
  return Grid::block(sizes[0], sizes[1]);
}

std::string strategy_of(const Json& args, std::int64_t group) {
  if (const Json* strategy = present(args, "strategy")) {
    return std::string(strategy->as_string().value_or("?"));
  }
  if (group == 0) return "tensor";
  return group > 0 ? "group" : "channel";
}

Result<Grid> grid_of(const Json& args) {
  RQ_TRY(const std::int64_t group, group_of(args));
  const std::string strategy = strategy_of(args, group);
  if (strategy == "tensor") return Grid::tensor();
  if (strategy == "channel") return Grid::channel();
  if (strategy == "block") return block_of(args);
  if (strategy == "group" || strategy == "tensor_group") {
    if (group < 1) return bad("group_size", args.find("group_size"), "a positive integer");
    return Grid::group(group);
  }
  return bad("strategy", args.find("strategy"), "tensor, channel, group or block");
}

bool is_symmetric(const Json& args) {
  const Json* symmetric = present(args, "symmetric");
  return symmetric == nullptr || symmetric->as_bool().value_or(true);
}

Result<Granularity> granularity_of(const std::string& strategy, const Json& args) {
  if (strategy == "token") return Granularity::kToken;
  if (strategy == "tensor") return Granularity::kTensor;
  if (strategy == "group" || strategy == "tensor_group") return Granularity::kGroup;
  if (strategy == "block") return Granularity::kBlock;
  return bad("strategy", args.find("strategy"), "token, tensor, group or block");
}

Result<Activations> activations_of(const Json& args) {
  Activations activations;
  RQ_TRY(const std::int64_t bits, bits_of(args));
  RQ_TRY(activations.element, element_of(args, bits));
  RQ_TRY(const std::int64_t group, group_of(args));
  RQ_TRY(activations.granularity, granularity_of(strategy_of(args, group), args));
  activations.bits = static_cast<int>(bits);
  if (activations.granularity == Granularity::kGroup) activations.group = group;
  activations.symmetric = is_symmetric(args);
  const Json* dynamic = present(args, "dynamic");
  const bool is_dynamic =
      dynamic != nullptr && (dynamic->as_bool().value_or(false) || dynamic->is_string());
  activations.kind = is_dynamic ? ActivationKind::kDynamic : ActivationKind::kStatic;
  return activations;
}

Result<Scheme> scheme_of(const Json& weights, const Json* inputs) {
  Scheme scheme;
  RQ_TRY(const std::int64_t bits, bits_of(weights));
  RQ_TRY(scheme.element, element_of(weights, bits));
  RQ_TRY(scheme.grid, grid_of(weights));
  scheme.bits = static_cast<int>(bits);
  scheme.offset = is_symmetric(weights) ? Offset::kNone : Offset::kZero;
  if (inputs != nullptr) {
    RQ_TRY_IN(scheme.activations, activations_of(*inputs), "input_activations");
  }
  return scheme;
}

Result<CtGroup> preset_group(const std::string& name, const Json& targets) {
  const auto* preset = std::find_if(std::begin(kPresets), std::end(kPresets),
                                    [&](const Preset& p) { return p.name == name; });
  if (preset == std::end(kPresets)) {
    return refused(fmt::format("the preset {} cannot be read yet", in_quotes(name)));
  }
  CtGroup group;
  group.name = name;
  RQ_TRY(group.targets, NameRules::parse(&targets, name));
  RQ_TRY(const Json weights, parse_json(preset->weights));
  RQ_TRY(const Json inputs, parse_json(preset->inputs));
  RQ_TRY(group.declared, scheme_of(weights, &inputs));
  return group;
}

Result<CtGroup> parse_group(const std::string& name, const Json& json) {
  if (json.is_array()) return preset_group(name, json);
  if (!json.is_object()) return corrupt("is no object");
  CtGroup group;
  group.name = name;
  group.format = text_at(&json, "format");
  RQ_TRY(group.targets, NameRules::parse(json.find("targets"), "targets"));
  const Json* weights = present(json, "weights");
  group.quantises = weights != nullptr;
  if (weights != nullptr) {
    RQ_TRY_IN(group.declared, scheme_of(*weights, present(json, "input_activations")), "weights");
  }
  return group;
}

Result<void> check_extras(const Json& block) {
  if (const Json* sparsity = present(block, "sparsity_config")) {
    const std::string_view format = text_at(sparsity, "format");
    if (!format.empty() && format != "dense") {
      return refused(fmt::format("'sparsity_config.format' is {}, which cannot be read yet",
                                 in_quotes(format)));
    }
  }
  if (const Json* transform = present(block, "transform_config")) {
    const Json* groups = transform->find("config_groups");
    if (groups != nullptr && !groups->members().empty()) {
      return refused("'transform_config' rotates activations, which cannot be read yet");
    }
  }
  return {};
}

}  // namespace

Result<bool> ct_format_is_readable(std::string_view format) {
  const auto is = [&](std::string_view known) { return known == format; };
  if (std::any_of(std::begin(kReadable), std::end(kReadable), is)) return true;
  if (std::any_of(std::begin(kKnown), std::end(kKnown), is)) return false;
  return corrupt(
      fmt::format("'format' is {}, which compressed-tensors does not have", in_quotes(format)));
}

Result<CtConfig> parse_ct_config(const Json& block) {
  CtConfig config;
  config.version = printable(text_at(&block, "version"), 32);
  config.format = text_at(&block, "format");
  config.status = text_at(&block, "quantization_status");
  config.has_kv_scheme = present(block, "kv_cache_scheme") != nullptr;
  RQ_CHECK(check_extras(block));
  RQ_TRY(config.ignore, NameRules::parse(block.find("ignore"), "ignore"));
  const Json* groups = present(block, "config_groups");
  if (groups == nullptr || !groups->is_object()) {
    return bad("config_groups", groups, "an object of groups");
  }
  for (const auto& [name, json] : groups->members()) {
    RQ_TRY_IN(auto group, parse_group(name, json), "config_groups." + printable(name, 64));
    config.groups.push_back(std::move(group));
  }
  return config;
}

}  // namespace requant
