#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "dialect/name_rules.h"
#include "quant/scheme.h"

namespace requant {

// One entry of compressed-tensors' config_groups: which modules, and the scheme they are to have.
struct CtGroup {
  std::string name;
  NameRules targets;
  std::string format;     // "int-quantized"; empty: the config's own counts
  bool quantises = true;  // false: no `weights`
  Scheme declared;        // scale dtype left at its default: the config does not state it
};

// How the keys and values of the cache are quantised.
struct CtCache {
  std::string text;        // "float8 static per tensor"
  bool is_static = false;  // attention modules have a k_scale and a v_scale
};

// A quantization_config of compressed-tensors.
struct CtConfig {
  std::string version;  // of the library that wrote it; empty in old files
  std::string format;
  std::string status;
  std::vector<CtGroup> groups;
  NameRules ignore;
  std::optional<CtCache> kv_cache;
};

// kCorrupt for values that the library would reject, kRefused for rotations of activations; both
// name the key.
Result<CtConfig> parse_ct_config(const Json& block);

}  // namespace requant
