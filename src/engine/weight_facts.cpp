// The facts w.*, act.*, out.* and ct.* of a class of weights.
#include <algorithm>

#include "engine/situation.h"

namespace requant {

namespace {

std::string_view type_of(Element element) { return element == Element::kInt ? "int" : "float"; }

std::string_view role_of(Role role) {
  switch (role) {
    case Role::kExpert:
      return "expert";
    case Role::kLmHead:
      return "lm_head";
    case Role::kEmbedding:
      return "embedding";
    case Role::kRouter:
      return "router";
    default:
      return "linear";
  }
}

FactValue member(const Json& json, std::string_view key, FactValue otherwise) {
  const Json* found = json.find(key);
  return found == nullptr || found->is_null() ? otherwise : value_of(*found);
}

// "torch.uint8" -> "uint8".
FactValue without_torch(const FactValue& dtype) {
  constexpr std::string_view kPrefix = "torch.";
  const std::string* text = dtype.text();
  return text != nullptr && text->starts_with(kPrefix) ? text->substr(kPrefix.size()) : dtype;
}

// compressed-tensors' arguments of a weight or of activations, with the library's own defaults
// (compressed_tensors/quantization/quant_args.py@0.9.1).
void set_arguments(EngineFacts& facts, const std::string& prefix, const Json* arguments) {
  if (arguments == nullptr || !arguments->is_object()) {
    facts.set(prefix, {});
    return;
  }
  const FactValue group_size = member(*arguments, "group_size", {});
  FactValue strategy = member(*arguments, "strategy", {});
  if (strategy.is_null()) {
    const auto size = group_size.number();
    strategy = !size ? "tensor" : *size == -1 ? "channel" : "group";
  }
  FactValue actorder = member(*arguments, "actorder", {});
  if (actorder == FactValue("dynamic")) actorder = "group";
  if (actorder == FactValue("static")) actorder = "weight";
  if (actorder == FactValue(true)) actorder = "group";
  if (actorder == FactValue(false)) actorder = {};
  const Json* structure = arguments->find("block_structure");
  const bool stated = structure != nullptr && !structure->is_null();
  facts.set(prefix, 1);
  facts.set(prefix + ".type", member(*arguments, "type", "int"));
  facts.set(prefix + ".bits", member(*arguments, "num_bits", 8));
  facts.set(prefix + ".strategy", strategy);
  facts.set(prefix + ".group_size", group_size);
  facts.set(prefix + ".symmetric", member(*arguments, "symmetric", true));
  facts.set(prefix + ".dynamic", member(*arguments, "dynamic", false));
  facts.set(prefix + ".actorder", actorder);
  facts.set(prefix + ".scale_dtype", without_torch(member(*arguments, "scale_dtype", {})));
  facts.set(prefix + ".block_structure_kind",
            !stated ? FactValue() : FactValue(structure->is_array() ? "list" : "text"));
}

// Which keys stand among the arguments at all: some releases refuse those they do not know.
FactValue argument_keys(const Json& group) {
  FactValue::List keys;
  for (const std::string_view name : {"weights", "input_activations", "output_activations"}) {
    const Json* arguments = group.find(name);
    if (arguments == nullptr) continue;
    for (const auto& [key, value] : arguments->members()) keys.emplace_back(key);
  }
  return keys;
}

// The engine takes compressed-tensors' arguments from the config, not from the tensors.
void set_from_group(EngineFacts& facts, const Json& group, const Situation& situation) {
  const Json& block = *situation.block.block;
  facts.set("ct.format", member(block, "format", {}));
  const FactValue own = member(group, "format", {});
  facts.set("ct.group_format", own);
  if (!own.is_null()) facts.set("ct.effective_format", own);
  facts.set("ct.argument_keys", argument_keys(group));
  set_arguments(facts, "w", group.find("weights"));
  set_arguments(facts, "act", group.find("input_activations"));
  set_arguments(facts, "out", group.find("output_activations"));
  // Versions that have no formats of groups look at activations for some formats only.
  const Json* formats = situation.engine->json.at({"activation_formats", "values"});
  if (formats == nullptr || situation.engine->json.find("reads_all_activations") != nullptr) return;
  const auto names = texts_of(formats);
  const Json* format = block.find("format");
  const auto stated = format == nullptr ? "" : format->as_string().value_or("");
  if (std::find(names.begin(), names.end(), stated) == names.end()) facts.set("act", {});
}

void set_from_scheme(EngineFacts& facts, const Scheme& scheme) {
  const Grid& grid = scheme.grid;
  const bool block = grid.block_rows > 1 && grid.block_cols > 0;
  facts.set("w", 1);
  facts.set("w.type", type_of(scheme.element));
  facts.set("w.bits", scheme.bits);
  facts.set("w.strategy", grid.is_tensor()    ? "tensor"
                          : grid.is_channel() ? "channel"
                          : grid.is_group()   ? "group"
                                              : "block");
  facts.set("w.group_size", grid.is_group() ? FactValue(grid.block_cols) : FactValue());
  if (block) {
    facts.set("w.block", FactValue::List{grid.block_rows, grid.block_cols});
    facts.set("w.block[0]", grid.block_rows);
    facts.set("w.block[1]", grid.block_cols);
  }
  facts.set("w.symmetric", scheme.offset == Offset::kNone);
  facts.set("w.dynamic", false);
  facts.set("w.actorder", scheme.permuted ? FactValue("group") : FactValue());
  // Powers of two are a type of their own, which old releases of torch do not have.
  const bool is_power = scheme.scale_dtype == DType::kF8E8M0;
  facts.set("w.scale_dtype", is_power ? FactValue("F8_E8M0") : FactValue());
  facts.set("w.block_structure_kind", {});
  facts.set("out", {});
  const Activations& activations = scheme.activations;
  if (activations.kind == ActivationKind::kNone) {
    facts.set("act", {});
    return;
  }
  facts.set("act", 1);
  facts.set("act.type", type_of(activations.element));
  facts.set("act.bits", activations.bits);
  facts.set("act.strategy", name_of(activations.granularity));
  facts.set("act.dynamic", activations.kind == ActivationKind::kDynamic);
  facts.set("act.symmetric", activations.symmetric);
  facts.set("act.group_size", activations.group > 0 ? FactValue(activations.group) : FactValue());
}

std::string_view leaf_of(std::string_view module) {
  const auto dot = module.rfind('.');
  return dot == std::string_view::npos ? module : module.substr(dot + 1);
}

// How tensor parallelism cuts the layer; without it nothing is cut.
void set_partition(EngineFacts& facts, const Weight& weight, const Situation& situation) {
  const auto ranks = static_cast<std::int64_t>(situation.facts.find("tp")->number().value_or(1));
  facts.set("w.in", weight.cols);
  facts.set("w.out", weight.rows);
  if (ranks <= 1) {
    facts.set("w.in_part", weight.cols);
    facts.set("w.out_part", weight.rows);
    facts.set("w.row_parallel", false);
    return;
  }
  const auto names_it = [&](std::string_view side) {
    const auto names = situation.engine->texts_at({"parallel", side});
    return std::find(names.begin(), names.end(), leaf_of(weight.module)) != names.end();
  };
  const bool by_row = names_it("row");
  if (!by_row && !names_it("column")) return;  // not known how it is cut
  facts.set("w.row_parallel", by_row);
  facts.set("w.in_part", by_row ? weight.cols / ranks : weight.cols);
  facts.set("w.out_part", by_row ? weight.rows : weight.rows / ranks);
}

}  // namespace

EngineFacts facts_of(const WeightClass& weights, const Situation& situation) {
  EngineFacts facts(&situation.facts);
  const Weight& weight = *weights.example;
  set_from_scheme(facts, weight.scheme);
  if (weights.group != nullptr) set_from_group(facts, *weights.group, situation);
  facts.set("w.ct_target", weights.group != nullptr ? FactValue("matched") : FactValue());
  FactValue::List names;
  const auto dropped = situation.engine->texts_at({"dropped_tensors", "names"});
  for (const auto& [suffix, tensor] : weight.parts) {
    if (std::find(dropped.begin(), dropped.end(), suffix) == dropped.end()) {
      names.emplace_back(suffix);
    }
  }
  facts.set("w.tensors", std::move(names));
  facts.set("w.role", role_of(weight.place.role));
  facts.set("w.quantised", true);
  facts.set("w.fused", weights.fused);
  facts.set("w.fused_into", leaf_of(weight.place.fused));
  facts.set("w.g_idx", weight.scheme.permuted);
  facts.set("w.zero_points", weight.scheme.offset != Offset::kNone);
  const std::string code = "uint" + std::to_string(weight.scheme.bits);
  facts.set("w.code", weight.scheme.element != Element::kInt
                          ? std::string(name_of(weight.scheme.element))
                      : weight.scheme.offset == Offset::kNone
                          ? code + "b" + std::to_string(1 << (weight.scheme.bits - 1))
                          : code);
  if (weight.scheme.bits > 0) facts.set("pack_factor", 32 / weight.scheme.bits);
  set_partition(facts, weight, situation);
  return facts;
}

}  // namespace requant
