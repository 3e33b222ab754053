#include "dialect/ct_write.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/ct_ignore.h"
#include "dialect/ct_store.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// The release whose packing of 3, 5, 6 and 7 bits is written: readers tell it from the older one
// by the version where the widths are the same.
constexpr std::string_view kPackingVersion = "0.19.0";

struct Group {
  Scheme scheme;
  const Codec* codec = nullptr;
  std::vector<const TargetWeight*> weights;

  std::string_view format() const { return ct_format_of(*codec, scheme); }
};

// Groups by what the config states: scale dtypes are the tensors' own business.
Result<std::vector<Group>> group_by_scheme(std::span<const TargetWeight> weights) {
  std::vector<Group> groups;
  const Scheme* last = nullptr;  // mostly that of the next one too
  std::size_t last_group = 0;
  for (const TargetWeight& weight : weights) {
    if (last != nullptr && *last == weight.scheme) {
      groups[last_group].weights.push_back(&weight);
      continue;
    }
    Scheme scheme = weight.scheme;
    const Codec* codec = ct_codec_for(scheme);
    if (codec == nullptr) {
      return refused(fmt::format("{}: compressed-tensors cannot hold {}", printable(weight.module),
                                 describe(scheme)));
    }
    if (!scheme.outer && scheme.scale_dtype != DType::kF8E8M0) scheme.scale_dtype = DType::kF32;
    const auto at =
        std::ranges::find_if(groups, [&](const Group& g) { return g.scheme == scheme; });
    last = &weight.scheme;
    last_group = static_cast<std::size_t>(at - groups.begin());
    if (at != groups.end()) {
      at->weights.push_back(&weight);
    } else {
      groups.push_back({.scheme = scheme, .codec = codec, .weights = {&weight}});
    }
  }
  return groups;
}

Json args(Element element, int bits, bool symmetric, std::string_view strategy, Json dynamic) {
  Json json = Json::object();
  json.set("num_bits", bits);
  json.set("type", element == Element::kInt ? "int" : "float");
  json.set("symmetric", symmetric);
  json.set("strategy", strategy);
  json.set("dynamic", std::move(dynamic));
  for (const char* key : {"group_size", "block_structure", "observer", "actorder"}) {
    json.set(key, nullptr);
  }
  return json;
}

// Scales that are no floats of the model's: readers choose the layout by them.
void set_scale_dtype(DType dtype, Json& json) {
  if (dtype == DType::kF8E8M0) json.set("scale_dtype", "torch.uint8");
  if (dtype == DType::kF8E4M3) json.set("scale_dtype", "torch.float8_e4m3fn");
}

Json weight_args(const Scheme& scheme) {
  const Grid& grid = scheme.grid;
  const std::string_view strategy = grid.is_tensor()    ? "tensor"
                                    : grid.is_channel() ? "channel"
                                    : scheme.outer      ? "tensor_group"
                                    : grid.is_group()   ? "group"
                                                        : "block";
  Json json = args(scheme.element, scheme.bits, scheme.offset == Offset::kNone, strategy, false);
  if (grid.is_group()) json.set("group_size", grid.block_cols);
  if (strategy == "block") {
    json.set("block_structure", Json::array({Json(grid.block_rows), Json(grid.block_cols)}));
  }
  if (scheme.permuted) json.set("actorder", "group");
  set_scale_dtype(scheme.scale_dtype, json);
  return json;
}

Json activation_args(const Scheme& scheme) {
  const Activations& activations = scheme.activations;
  if (activations.kind == ActivationKind::kNone) return nullptr;
  // NVFP4: groups under a static scale of the whole tensor.
  const bool local = activations.orientation == Orientation::kDivisor;
  Json json = args(activations.element, activations.bits, activations.symmetric,
                   local ? "tensor_group" : name_of(activations.granularity),
                   local ? Json("local") : Json(activations.kind == ActivationKind::kDynamic));
  if (activations.group > 0) json.set("group_size", activations.group);
  if (local || scheme.scale_dtype == DType::kF8E8M0) set_scale_dtype(scheme.scale_dtype, json);
  return json;
}

// "Linear" where there is one scheme. Where there are several, names of the modules and of the
// matrices that engines fuse them into: a class would win over the parts of a fused name there.
Json targets(const Group& group, bool alone) {
  std::vector<std::string> names;
  for (const TargetWeight* weight : group.weights) {
    if (alone) {
      const std::string_view class_name = ct_class_of(weight->place.role);
      const std::string_view name = class_name.empty() ? "Linear" : class_name;
      if (names.empty() || names.back() != name) names.emplace_back(name);
      continue;
    }
    names.push_back(weight->module);
    if (!weight->place.fused.empty()) names.push_back(weight->place.fused);
  }
  std::ranges::sort(names, natural_less);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  Json list = Json::array();
  for (std::string& name : names) list.append(std::move(name));
  return list;
}

// The source's own block, if it is of this dialect: what stands beside the weights stays.
const Json* own_block(const ConfigRequest& request) {
  for (const ConfigBlock& block : find_config_blocks(request.config, request.architecture)) {
    const bool old = block.path.back() == "compression_config";
    if (old || text_at(block.block, "quant_method") == "compressed-tensors") return block.block;
  }
  return nullptr;
}

// Groups that state activations of attention only.
void add_groups_without_weights(const Json* own, Json& groups, std::size_t next) {
  const Json* stated = own == nullptr ? nullptr : own->find("config_groups");
  if (stated == nullptr) return;
  for (const auto& [name, group] : stated->members()) {
    const Json* weights = group.find("weights");
    if (!group.is_object() || (weights != nullptr && !weights->is_null())) continue;
    groups.set(fmt::format("group_{}", next++), group);
  }
}

// The source's own words, or what the scales that come from elsewhere are.
Json cache_scheme(const ConfigRequest& request, const Json* own) {
  const Json* stated = own == nullptr ? nullptr : own->find("kv_cache_scheme");
  if (stated != nullptr) return *stated;
  if (!request.kv_cache) return nullptr;
  const Element element = request.kv_cache->is_float ? Element::kE4M3Fn : Element::kInt;
  return args(element, request.kv_cache->bits, true, "tensor", false);
}

bool needs_version(const Group& group) {
  return group.codec->name == "ct-pack" && 32 % group.scheme.bits != 0;
}

}  // namespace

Result<Json> ct_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("compressed-tensors needs a quantised weight");
  RQ_TRY(const auto groups, group_by_scheme(request.quantized));
  RQ_TRY(const auto ignored, ct_ignore_list(request));
  Json ignore = Json::array();
  for (const std::string& entry : ignored) ignore.append(entry);

  std::string_view format = groups.front().format();
  Json config_groups = Json::object();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Group& group = groups[i];
    if (group.format() != format) format = "mixed-precision";
    Json json = Json::object();
    json.set("targets", targets(group, groups.size() == 1));
    json.set("weights", weight_args(group.scheme));
    json.set("input_activations", activation_args(group.scheme));
    json.set("output_activations", nullptr);
    if (groups.size() > 1) json.set("format", group.format());
    config_groups.set(fmt::format("group_{}", i), std::move(json));
  }
  const Json* own = own_block(request);
  add_groups_without_weights(own, config_groups, groups.size());
  Json block = Json::object();
  block.set("quant_method", "compressed-tensors");
  block.set("format", format);
  block.set("quantization_status", "compressed");
  block.set("kv_cache_scheme", cache_scheme(request, own));
  block.set("ignore", std::move(ignore));
  block.set("config_groups", std::move(config_groups));
  if (std::ranges::any_of(groups, needs_version)) block.set("version", kPackingVersion);
  return block;
}

}  // namespace requant
