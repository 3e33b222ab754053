// Quark's config: the commonest scheme for all modules, the others by name, what is not quantised
// excluded. Each entry has every key that Quark 0.13 writes.

#include "dialect/quark_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "dialect/module_list.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// The release whose layout this is.
constexpr const char* kLayoutVersion = "0.13";

std::string dtype_name(Element element, int bits, bool is_unsigned) {
  switch (element) {
    case Element::kE2M1:
      return "fp4";
    case Element::kE2M3:
      return "fp6_e2m3";
    case Element::kE3M2:
      return "fp6_e3m2";
    case Element::kE4M3Fn:
      return "fp8_e4m3";
    default:
      return fmt::format("{}int{}", is_unsigned ? "u" : "", bits);
  }
}

// What a spec says beyond its dtype.
struct Terms {
  std::string dtype;
  std::string_view qscheme;  // "per_group"
  Json axis;
  std::int64_t group = 0;  // 0: null
  bool dynamic = false;
  bool micro = false;  // scales are powers of two
  bool symmetric = true;
};

std::string_view observer_of(const Terms& terms) {
  if (terms.micro) return "PerBlockMXObserver";
  if (terms.qscheme == "per_group") return "PerGroupMinMaxObserver";
  return terms.qscheme == "per_channel" ? "PerChannelMinMaxObserver" : "PerTensorMinMaxObserver";
}

Json spec_of(const Terms& terms) {
  Json spec = Json::object();
  spec.set("block_size", nullptr);
  spec.set("ch_axis", terms.axis);
  spec.set("dtype", terms.dtype);
  spec.set("enable_buffer_reuse", false);
  spec.set("group_size", terms.group > 0 ? Json(terms.group) : Json(nullptr));
  spec.set("is_dynamic", terms.dynamic);
  spec.set("is_scale_quant", false);
  spec.set("max_input_numel", 4194304);
  spec.set("mx_element_dtype", nullptr);
  spec.set("observer_cls", observer_of(terms));
  spec.set("qscheme", terms.qscheme);
  spec.set("round_method", "half_even");
  spec.set("scale_calculation_mode", terms.micro ? Json("even") : Json(nullptr));
  spec.set("scale_format", terms.micro ? Json("e8m0") : Json(nullptr));
  spec.set("scale_type", "float");
  spec.set("symmetric", terms.micro ? Json(nullptr) : Json(terms.symmetric));
  spec.set("zero_point_type", "int32");
  return spec;
}

Json weight_spec(const Scheme& scheme) {
  Terms terms{.dtype = dtype_name(scheme.element, scheme.bits, scheme.offset == Offset::kZero),
              .qscheme = "per_tensor",
              .axis = nullptr};
  terms.micro = scheme.scale_dtype == DType::kF8E8M0;
  terms.symmetric = scheme.offset == Offset::kNone;
  if (scheme.grid.is_group()) {
    terms.qscheme = "per_group";
    terms.axis = -1;
    terms.group = scheme.grid.block_cols;
  } else if (scheme.grid.is_channel()) {
    terms.qscheme = "per_channel";
    terms.axis = 0;
  }
  return spec_of(terms);
}

Json input_spec(const Activations& activations) {
  if (activations.kind == ActivationKind::kNone) return nullptr;
  Terms terms{.dtype = dtype_name(activations.element, activations.bits, !activations.symmetric),
              .qscheme = "per_tensor",
              .axis = nullptr};
  terms.dynamic = activations.kind == ActivationKind::kDynamic;
  terms.symmetric = activations.symmetric;
  if (activations.granularity == Granularity::kToken) {
    terms.qscheme = "per_channel";
    terms.axis = 1;
  } else if (activations.granularity == Granularity::kGroup) {
    terms.qscheme = "per_group";
    terms.axis = -1;
    terms.group = activations.group;
    terms.micro = true;
  }
  return spec_of(terms);
}

Json entry_of(const Scheme& scheme) {
  Json entry = Json::object();
  entry.set("bias", nullptr);
  entry.set("input_tensors", input_spec(scheme.activations));
  entry.set("output_tensors", nullptr);
  entry.set("target_device", nullptr);
  entry.set("weight", weight_spec(scheme));
  return entry;
}

Json export_block() {
  Json block = Json::object();
  block.set("kv_cache_group", Json::array());
  block.set("min_kv_scale", 0.0);
  block.set("pack_method", "reorder");
  block.set("weight_format", "real_quantized");
  block.set("weight_merge_groups", nullptr);
  return block;
}

struct Entries {
  Json all;
  Json layers = Json::object();
};

Entries entries_of(const ConfigRequest& request) {
  std::map<std::string, std::size_t> counts;
  for (const TargetWeight& weight : request.quantized) ++counts[entry_of(weight.scheme).dump()];
  const auto commonest =
      std::ranges::max_element(counts, {}, [](const auto& count) { return count.second; });
  Entries entries;
  for (const TargetWeight& weight : request.quantized) {
    Json entry = entry_of(weight.scheme);
    if (entry.dump() == commonest->first) {
      entries.all = std::move(entry);
    } else {
      entries.layers.set(weight.module, std::move(entry));
    }
  }
  return entries;
}

// Quark reads activations of microscaling codes that are of the same kind, or none.
bool fits(const Scheme& scheme) {
  const Activations& a = scheme.activations;
  if (scheme.scale_dtype == DType::kF8E8M0) {
    return a.kind == ActivationKind::kNone ||
           (a.kind == ActivationKind::kDynamic && a.granularity == Granularity::kGroup &&
            a.group == scheme.grid.block_cols && a.element != Element::kInt);
  }
  if (scheme.grid.block_rows > 1) return false;  // per_block: no file of such was seen
  return a.granularity == Granularity::kToken || a.granularity == Granularity::kTensor;
}

}  // namespace

const Codec* quark_codec_for(const Scheme& scheme) {
  if (!fits(scheme) || scheme.input_multiplier) return nullptr;
  for (const char* name : {"quark-int4", "mx-weight-scale", "modelopt-w8"}) {
    const Codec* codec = find_codec(name);
    if (codec->holds(scheme)) return codec;
  }
  return nullptr;
}

Result<Json> quark_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("quark needs a quantised weight");
  Entries entries = entries_of(request);
  Json block = Json::object();
  block.set("algo_config", nullptr);
  block.set("exclude", unquantized_names(request));
  block.set("export", export_block());
  block.set("global_quant_config", std::move(entries.all));
  block.set("kv_cache_post_rope", false);
  block.set("kv_cache_quant_config", Json::object());
  block.set("layer_quant_config", std::move(entries.layers));
  block.set("layer_type_quant_config", Json::object());
  block.set("quant_method", "quark");
  block.set("quant_mode", "eager_mode");
  block.set("softmax_quant_spec", nullptr);
  block.set("version", kLayoutVersion);
  return block;
}

}  // namespace requant
