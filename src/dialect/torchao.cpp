// torchao's safetensors: the parameter X.weight is stored as X._weight_qdata, X._weight_scale and
// X._weight_zero_point, and what it is stands as JSON under its own name in the files' metadata.

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "torchao";
constexpr std::string_view kCodes = "_weight_qdata";

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (declared_method(facts) == kMethod) {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is torchao");
  }
  if (const ModuleTensors* module = facts.modules.first_with(kCodes)) {
    result.match = Match::kYes;
    result.evidence.push_back(describe(*module->find(kCodes)));
  }
  return result;
}

// "int4" -> 4.
std::optional<int> bits_of(std::string_view dtype) {
  if (dtype.size() != 4 || !dtype.starts_with("int") || dtype[3] < '1' || dtype[3] > '8') {
    return std::nullopt;
  }
  return dtype[3] - '0';
}

Result<Json> metadata_of(std::string_view module, const Facts& facts) {
  const std::string name = std::string(module) + ".weight";
  const auto at = facts.source.metadata().find(name);
  if (at == facts.source.metadata().end()) {
    return corrupt(fmt::format("the files' metadata has nothing for {}", printable(name)));
  }
  RQ_TRY_IN(Json json, parse_json(at->second), "metadata of " + printable(name));
  return json;
}

// The scheme that the config states for all weights: their metadata does not say whether the zero
// points that are stored are of a symmetric scheme.
bool says_symmetric(const Facts& facts) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (block.block == nullptr) return false;
  const Json* mapping =
      block.block->at({"quant_type", "default", "_data", "weight_mapping_type", "_data"});
  return mapping != nullptr && mapping->as_string() == "SYMMETRIC";
}

Result<Scheme> declared_scheme(const std::string& where, const Json& json, const Facts& facts) {
  const std::string_view type = text_at(&json, "_type");
  if (type != "IntxUnpackedToInt8Tensor") {
    return refused(fmt::format("{}: torchao's {} cannot be read yet", where, in_quotes(type)));
  }
  const Json* data = json.find("_data");
  const Json* dtype = data == nullptr ? nullptr : data->find("target_dtype");
  const auto bits = bits_of(text_at(dtype, "_data"));
  if (!bits) return corrupt(where + ": its metadata has no 'target_dtype' int1 to int8");
  Scheme declared;
  declared.bits = *bits;
  if (!says_symmetric(facts)) declared.offset = Offset::kZero;
  const Json* block = data->find("block_size");
  if (block != nullptr && block->items().size() == 2) {
    const std::int64_t rows = block->items()[0].as_int().value_or(0);
    const std::int64_t cols = block->items()[1].as_int().value_or(0);
    if (rows == 1 && cols > 0) declared.grid = Grid::group(cols);
  }
  const std::string_view activations = text_at(data, "activation_quantization");
  if (activations == "int8_asym_per_token") {
    declared.activations = Activations::dynamic_token(Element::kInt);
    declared.activations.symmetric = false;
  } else if (activations == "int8_sym_per_token") {
    declared.activations = Activations::dynamic_token(Element::kInt);
  } else if (!activations.empty()) {
    return refused(fmt::format("{}: torchao's activations {} cannot be read yet", where,
                               in_quotes(activations)));
  }
  return declared;
}

Result<Weight> resolve_module(const ModuleTensors& module, const Facts& facts) {
  const TensorInfo& codes = *module.find(kCodes);
  RQ_TRY(const Json json, metadata_of(module.module, facts));
  RQ_TRY(const Scheme declared, declared_scheme(printable(module.module), json, facts));
  auto weight = weight_of(module, facts.architecture.module(module.module, 2),
                          {kCodes, "_weight_scale", "_weight_zero_point"}, declared,
                          *find_codec("torchao-intx"));
  if (!weight) {
    return corrupt(
        fmt::format("{}: the scale and zero point beside it do not fit", describe(codes)));
  }
  weight->rows = codes.shape[0];
  weight->cols = codes.shape[1];
  return *std::move(weight);
}

Result<Resolution> resolve(const Facts& facts) {
  if (facts.source.container() == "pytorch") {
    return refused(
        "torchao in PyTorch files is pickled objects, which are not run; save it as "
        "safetensors");
  }
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const TensorInfo* scale = module.find("_weight_scale");
    if (module.find(kCodes) != nullptr) {
      RQ_TRY(auto weight, resolve_module(module, facts));
      resolution.weights.push_back(std::move(weight));
    } else if (scale != nullptr) {
      return corrupt(describe(*scale) + ", and there is no _weight_qdata beside it");
    }
  }
  return resolution;
}

}  // namespace

extern const Dialect k_dialect_torchao;
const Dialect k_dialect_torchao = {
    .name = kMethod,
    .long_name = "torchao safetensors: integers of 1 to 8 bits",
    .source = "pytorch/ao torchao/prototype/safetensors@0.18.0",
    .recognize = recognize,
    .resolve = resolve,
    .quant_methods = kMethod,
};

}  // namespace requant
