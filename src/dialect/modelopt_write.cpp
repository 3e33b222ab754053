// ModelOpt states a checkpoint twice: in config.json, and in hf_quant_config.json, which is the one
// that has the group size.

#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "dialect/modelopt_config.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// The release whose layout this is; readers dispatch on the name.
constexpr const char* kLayoutVersion = "0.47.0";

Json producer() {
  Json json = Json::object();
  json.set("name", "modelopt");
  json.set("version", kLayoutVersion);
  return json;
}

Json algorithm_json(const TargetWeight& weight) {
  const ModeloptAlgorithm& algorithm = *modelopt_algorithm_of(weight.scheme);
  Json json = Json::object();
  json.set("quant_algo", algorithm.name);
  if (weight.scheme.grid.is_group()) json.set("group_size", weight.scheme.grid.block_cols);
  if (algorithm.codec == "modelopt-int4") {
    json.set("has_zero_point", false);
    json.set("pre_quant_scale", weight.scheme.input_multiplier);
  }
  return json;
}

struct Statement {
  std::string algorithm;  // or MIXED_PRECISION
  Json layers = Json::object();
  std::int64_t group = 0;
  bool multiplies = false;
  bool is_int4 = false;
};

Result<Statement> statement_of(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("modelopt needs a quantised weight");
  Statement statement;
  std::set<std::string_view> names;
  std::set<std::int64_t> groups;
  for (const TargetWeight& weight : request.quantized) {
    const ModeloptAlgorithm* algorithm = modelopt_algorithm_of(weight.scheme);
    if (algorithm == nullptr) {
      return refused(fmt::format("{}: modelopt has no quant_algo for {}", printable(weight.module),
                                 describe(weight.scheme)));
    }
    names.insert(algorithm->name);
    groups.insert(weight.scheme.grid.is_group() ? weight.scheme.grid.block_cols : 0);
    statement.multiplies = statement.multiplies || weight.scheme.input_multiplier;
    statement.is_int4 = statement.is_int4 || algorithm->codec == "modelopt-int4";
    statement.layers.set(weight.module, algorithm_json(weight));
  }
  const bool is_mixed = names.size() > 1 || groups.size() > 1;
  statement.algorithm = is_mixed ? "MIXED_PRECISION" : std::string(*names.begin());
  if (!is_mixed) {
    statement.layers = nullptr;
    statement.group = *groups.begin();
  }
  return statement;
}

Json number_format(int bits, std::int64_t group) {
  Json json = Json::object();
  json.set("dynamic", false);
  json.set("num_bits", bits);
  json.set("type", "float");
  if (group > 0) json.set("group_size", group);
  return json;
}

// The source's own word on the cache, where the source is ModelOpt's too, or what the scales that
// come from elsewhere are. null: there are none.
Json kv_cache_scheme(const ConfigRequest& request) {
  for (const ConfigBlock& block : find_config_blocks(request.config, request.architecture)) {
    if (!text_at(block.block, "quant_method").starts_with("modelopt")) continue;
    const Json* scheme = block.block->find("kv_cache_scheme");
    if (scheme != nullptr && !scheme->is_null()) return *scheme;
  }
  return request.kv_cache ? number_format(request.kv_cache->bits, 0) : Json(nullptr);
}

// {"num_bits": 8, "type": "float"} -> FP8; some files have the name itself.
Json kv_cache_algorithm(const Json& scheme) {
  if (scheme.is_null() || scheme.is_string()) return scheme;
  const Json* bits = scheme.find("num_bits");
  const std::int64_t count = bits == nullptr ? 0 : bits->as_int().value_or(0);
  const bool is_float = text_at(&scheme, "type") == "float";
  if (count == 8) return is_float ? "FP8" : "INT8";
  return count == 4 && is_float ? Json("NVFP4") : Json(nullptr);
}

// ModelOpt writes groups for the two families that its readers take from there.
Json config_groups(const Scheme& scheme) {
  const bool fp4 = scheme.element == Element::kE2M1;
  Json group = Json::object();
  if (scheme.activations.kind != ActivationKind::kNone) {
    const Activations& activations = scheme.activations;
    group.set("input_activations", number_format(activations.bits, activations.group));
  }
  group.set("weights", number_format(scheme.bits, fp4 ? scheme.grid.block_cols : 0));
  group.set("targets", Json::array({Json("Linear")}));
  Json groups = Json::object();
  groups.set("group_0", std::move(group));
  return groups;
}

bool has_groups(std::string_view algorithm) {
  return algorithm == "FP8" || algorithm == "NVFP4" || algorithm == "W4A16_NVFP4";
}

}  // namespace

Result<Json> modelopt_quantization_config(const ConfigRequest& request) {
  RQ_TRY(Statement statement, statement_of(request));
  Json block = Json::object();
  if (has_groups(statement.algorithm)) {
    block.set("config_groups", config_groups(request.quantized.front().scheme));
  }
  block.set("ignore", unquantized_names(request));
  block.set("quant_algo", statement.algorithm);
  if (!statement.layers.is_null()) block.set("quantized_layers", std::move(statement.layers));
  if (Json scheme = kv_cache_scheme(request); !scheme.is_null()) {
    block.set("kv_cache_scheme", std::move(scheme));
  }
  block.set("producer", producer());
  block.set("quant_method", "modelopt");
  return block;
}

Result<std::map<std::string, Json>> modelopt_side_files(const ConfigRequest& request) {
  RQ_TRY(Statement statement, statement_of(request));
  Json quantization = Json::object();
  quantization.set("quant_algo", statement.algorithm);
  quantization.set("kv_cache_quant_algo", kv_cache_algorithm(kv_cache_scheme(request)));
  if (statement.group > 0) quantization.set("group_size", statement.group);
  if (statement.is_int4) {
    quantization.set("has_zero_point", false);
    quantization.set("pre_quant_scale", statement.multiplies);
  }
  quantization.set("exclude_modules", unquantized_names(request));
  if (!statement.layers.is_null()) {
    quantization.set("quantized_layers", std::move(statement.layers));
  }
  Json file = Json::object();
  file.set("producer", producer());
  file.set("quantization", std::move(quantization));
  std::map<std::string, Json> files;
  files.emplace("hf_quant_config.json", std::move(file));
  return files;
}

}  // namespace requant
