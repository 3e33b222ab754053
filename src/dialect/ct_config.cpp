#include "dialect/ct_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "dialect/ct_preset.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kFormats[] = {"",
                                         "dense",
                                         "fakequant",
                                         "int-quantized",
                                         "float-quantized",
                                         "naive-quantized",
                                         "mixed-precision",
                                         "pack-quantized",
                                         "nvfp4-pack-quantized",
                                         "mxfp4-pack-quantized",
                                         "mxfp6-pack-quantized",
                                         "mxfp8-quantized",
                                         "marlin-24",
                                         "sparse-24-bitmask",
                                         "sparse-bitmask"};

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

bool is_dynamic(const Json& args) {
  const Json* dynamic = present(args, "dynamic");
  return dynamic != nullptr && (dynamic->as_bool().value_or(false) || dynamic->is_string());
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
  activations.kind = is_dynamic(args) ? ActivationKind::kDynamic : ActivationKind::kStatic;
  return activations;
}

Result<CtCache> cache_of(const Json& args) {
  RQ_TRY(const std::int64_t bits, bits_of(args));
  RQ_TRY(const std::int64_t group, group_of(args));
  const std::string_view type = text_at(&args, "type");
  CtCache cache;
  cache.is_static = !is_dynamic(args);
  cache.text =
      fmt::format("{}{} {} per {}", printable(type.empty() ? "int" : type, 32), bits,
                  cache.is_static ? "static" : "dynamic", printable(strategy_of(args, group), 32));
  return cache;
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

Result<void> check_format(std::string_view format) {
  if (std::ranges::find(kFormats, format) != std::end(kFormats)) return {};
  return corrupt(
      fmt::format("'format' is {}, which compressed-tensors does not have", in_quotes(format)));
}

Result<CtGroup> preset_group(const std::string& name, const Json& targets) {
  const auto preset = ct_preset(name);
  if (!preset) return corrupt("is a list, and no preset has its name");
  CtGroup group;
  group.name = name;
  RQ_TRY(group.targets, NameRules::parse(&targets, name));
  group.quantises = preset->quantises;
  group.declared = preset->scheme;
  return group;
}

Result<CtGroup> parse_group(const std::string& name, const Json& json) {
  if (json.is_array()) return preset_group(name, json);
  if (!json.is_object()) return corrupt("is no object");
  CtGroup group;
  group.name = name;
  group.format = text_at(&json, "format");
  RQ_CHECK(check_format(group.format));
  RQ_TRY(group.targets, NameRules::parse(json.find("targets"), "targets"));
  const Json* weights = present(json, "weights");
  group.quantises = weights != nullptr;
  if (weights != nullptr) {
    RQ_TRY_IN(group.declared, scheme_of(*weights, present(json, "input_activations")), "weights");
  }
  return group;
}

// Rotations of weights are folded into them; those of activations change what the model computes.
Result<void> check_transforms(const Json& block) {
  const Json* transform = present(block, "transform_config");
  const Json* groups = transform == nullptr ? nullptr : transform->find("config_groups");
  if (groups == nullptr) return {};
  for (const auto& [name, scheme] : groups->members()) {
    const Json* apply = scheme.find("apply");
    const bool stated = apply != nullptr && apply->is_array();
    if (!stated) return refused("'transform_config' does not say what it rotates");
    for (const Json& item : apply->items()) {
      const std::string_view location = text_at(&item, "location");
      if (location == "weight_input" || location == "weight_output") continue;
      return refused(
          fmt::format("'transform_config.config_groups.{}' rotates {} at run time, which no plain "
                      "weight can state",
                      printable(name, 64), in_quotes(location)));
    }
  }
  return {};
}

// Whether the weights are stored sparse: then there need be no groups.
Result<bool> is_sparse(const Json& block) {
  const Json* sparsity = present(block, "sparsity_config");
  const std::string_view format = text_at(sparsity, "format");
  RQ_CHECK_IN(check_format(format), "sparsity_config");
  return !format.empty() && format != "dense";
}

// Which group would count is an accident of the reader.
Result<void> check_distinct(const std::vector<CtGroup>& groups) {
  std::map<std::string_view, const CtGroup*> owners;
  for (const CtGroup& group : groups) {
    for (const std::string& target : group.targets.entries()) {
      const auto [at, is_new] = owners.emplace(target, &group);
      const CtGroup& other = *at->second;
      if (is_new || (other.declared == group.declared && other.quantises == group.quantises)) {
        continue;
      }
      return corrupt(fmt::format("'config_groups' has {} as a target of {} and of {}, which differ",
                                 in_quotes(target), in_quotes(other.name), in_quotes(group.name)));
    }
  }
  return {};
}

}  // namespace

Result<CtConfig> parse_ct_config(const Json& block) {
  CtConfig config;
  config.version = printable(text_at(&block, "version"), 32);
  config.format = text_at(&block, "format");
  config.status = text_at(&block, "quantization_status");
  RQ_CHECK(check_format(config.format));
  RQ_CHECK(check_transforms(block));
  RQ_TRY(const bool sparse, is_sparse(block));
  if (const Json* cache = present(block, "kv_cache_scheme")) {
    RQ_TRY_IN(config.kv_cache, cache_of(*cache), "kv_cache_scheme");
  }
  RQ_TRY(config.ignore, NameRules::parse(block.find("ignore"), "ignore"));
  const Json* groups = present(block, "config_groups");
  if (groups == nullptr && sparse) return config;
  if (groups == nullptr || !groups->is_object()) {
    return bad("config_groups", groups, "an object of groups");
  }
  for (const auto& [name, json] : groups->members()) {
    RQ_TRY_IN(auto group, parse_group(name, json), "config_groups." + printable(name, 64));
    config.groups.push_back(std::move(group));
  }
  RQ_CHECK(check_distinct(config.groups));
  return config;
}

}  // namespace requant
