#include "dialect/ct_write.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/ct_ignore.h"

namespace requant {
namespace {

struct Group {
  Scheme scheme;
  std::vector<const TargetWeight*> weights;
};

// Groups by what the config states: scale dtypes are the tensors' own business.
std::vector<Group> group_by_scheme(std::span<const TargetWeight> weights) {
  std::vector<Group> groups;
  for (const TargetWeight& weight : weights) {
    Scheme scheme = weight.scheme;
    scheme.scale_dtype = DType::kF32;
    const auto at = std::find_if(groups.begin(), groups.end(),
                                 [&](const Group& g) { return g.scheme == scheme; });
    if (at != groups.end()) {
      at->weights.push_back(&weight);
    } else {
      groups.push_back({.scheme = scheme, .weights = {&weight}});
    }
  }
  return groups;
}

Json args(Element element, int bits, bool symmetric, std::string_view strategy, bool dynamic) {
  Json json = Json::object();
  json.set("num_bits", bits);
  json.set("type", element == Element::kInt ? "int" : "float");
  json.set("symmetric", symmetric);
  json.set("strategy", strategy);
  json.set("dynamic", dynamic);
  for (const char* key : {"group_size", "block_structure", "observer", "actorder"}) {
    json.set(key, nullptr);
  }
  return json;
}

Json weight_args(const Scheme& scheme) {
  const Grid& grid = scheme.grid;
  const std::string_view strategy = grid.is_tensor()    ? "tensor"
                                    : grid.is_channel() ? "channel"
                                    : grid.is_group()   ? "group"
                                                        : "block";
  Json json = args(scheme.element, scheme.bits, scheme.offset == Offset::kNone, strategy, false);
  if (strategy == "group") json.set("group_size", grid.block_cols);
  if (strategy == "block") {
    json.set("block_structure", Json::array({Json(grid.block_rows), Json(grid.block_cols)}));
  }
  return json;
}

Json activation_args(const Activations& activations) {
  if (activations.kind == ActivationKind::kNone) return nullptr;
  std::string_view strategy = "tensor";
  switch (activations.granularity) {
    case Granularity::kTensor:
      break;
    case Granularity::kToken:
      strategy = "token";
      break;
    case Granularity::kGroup:
      strategy = "group";
      break;
    case Granularity::kBlock:
      strategy = "block";
      break;
  }
  Json json = args(activations.element, activations.bits, activations.symmetric, strategy,
                   activations.kind == ActivationKind::kDynamic);
  if (activations.group > 0) json.set("group_size", activations.group);
  return json;
}

// "Linear" where there is one scheme. Where there are several, names of the modules and of the
// matrices that engines fuse them into: a class would win over the parts of a fused name there.
Json targets(const Group& group, bool alone) {
  if (alone) return Json::array({Json("Linear")});
  std::vector<std::string> names;
  for (const TargetWeight* weight : group.weights) {
    names.push_back(weight->module);
    if (!weight->place.fused.empty()) names.push_back(weight->place.fused);
  }
  std::sort(names.begin(), names.end(), natural_less);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  Json list = Json::array();
  for (std::string& name : names) list.append(std::move(name));
  return list;
}

std::string_view format_of(const Scheme& scheme) {
  return scheme.element == Element::kInt ? "int-quantized" : "float-quantized";
}

}  // namespace

Result<Json> ct_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("compressed-tensors needs a quantised weight");
  const auto groups = group_by_scheme(request.quantized);
  RQ_TRY(const auto ignored, ct_ignore_list(request));
  Json ignore = Json::array();
  for (const std::string& entry : ignored) ignore.append(entry);

  std::string_view format = format_of(groups.front().scheme);
  Json config_groups = Json::object();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Group& group = groups[i];
    if (format_of(group.scheme) != format) format = "mixed-precision";
    Json json = Json::object();
    json.set("targets", targets(group, groups.size() == 1));
    json.set("weights", weight_args(group.scheme));
    json.set("input_activations", activation_args(group.scheme.activations));
    json.set("output_activations", nullptr);
    if (groups.size() > 1) json.set("format", format_of(group.scheme));
    config_groups.set(fmt::format("group_{}", i), std::move(json));
  }
  Json block = Json::object();
  block.set("quant_method", "compressed-tensors");
  block.set("format", format);
  block.set("quantization_status", "compressed");
  block.set("kv_cache_scheme", nullptr);
  block.set("ignore", std::move(ignore));
  block.set("config_groups", std::move(config_groups));
  return block;
}

}  // namespace requant
