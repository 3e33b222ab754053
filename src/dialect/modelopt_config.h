#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "dialect/dialect.h"
#include "dialect/module_list.h"

namespace requant {

// What ModelOpt's algorithms are called in its files.
struct ModeloptAlgorithm {
  std::string_view name;   // "FP8_PB_WO", in upper case
  std::string_view codec;  // the layout that its weights have
  Element element = Element::kInt;
  int bits = 8;
  Activations activations = {};      // what tensors cannot tell
  bool (*fits)(const Scheme&) = {};  // what else it takes to be written as this
};

// nullptr for a name that is none. Case does not count: the files vary.
const ModeloptAlgorithm* find_modelopt_algorithm(std::string_view name);
// The algorithm whose files hold such weights; nullptr when there is none.
const ModeloptAlgorithm* modelopt_algorithm_of(const Scheme& scheme);

// config.json's block or, where there is none, hf_quant_config.json.
struct ModeloptConfig {
  std::string file = "config.json";
  std::string where = "quantization_config";
  std::string list_name = "ignore";
  std::string algorithm;                                   // as written
  std::map<std::string, std::string, std::less<>> layers;  // MIXED_PRECISION: algorithm by module
  std::int64_t group_size = 0;  // only hf_quant_config.json has it for some algorithms
  // Of the only group of config_groups, from which engines size their parameters; 0: not stated.
  int stated_bits = 0;
  std::int64_t stated_group = 0;
  ModuleList excluded;
  const Json* producer = nullptr;

  // nullptr: the config says nothing about this module.
  const ModeloptAlgorithm* algorithm_for(std::string_view module) const;
};

// True where either file is ModelOpt's.
bool has_modelopt_config(const Facts& facts);
// kRefused for an algorithm that is not known, by name.
Result<ModeloptConfig> parse_modelopt_config(const Facts& facts);

// quantization_config and hf_quant_config.json for these weights.
Result<Json> modelopt_quantization_config(const ConfigRequest& request);
Result<std::map<std::string, Json>> modelopt_side_files(const ConfigRequest& request);

}  // namespace requant
