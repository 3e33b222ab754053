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

// A quantization_config of compressed-tensors.
struct CtConfig {
  std::string version;  // of the library that wrote it; empty in old files
  std::string format;
  std::string status;
  std::vector<CtGroup> groups;
  NameRules ignore;
  bool has_kv_scheme = false;
};

// kCorrupt for values that the library would reject, kRefused for parts that cannot be read yet
// (sparsity, transforms); both name the key.
Result<CtConfig> parse_ct_config(const Json& block);

// True for the formats that store one code a byte; the others are known, and refused by name.
Result<bool> ct_format_is_readable(std::string_view format);

}  // namespace requant
