#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dialect/ct_config.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {

// Where a config of compressed-tensors and the tensors disagree, by module.
struct CtDisagreements {
  Modules ignored_quantised;
  Modules targeted_dense;
  Modules dense_routers;
  Modules untargeted;
  Modules other_element;
  Modules other_grid;
  Modules other_format;
  Modules fake_quantised;
  Modules not_decoded;            // marlin-24
  std::vector<bool> ignore_used;  // by entry of CtConfig::ignore
};

// Their findings, and what else a reader of the config should know. `where` is the config's key.
std::vector<Finding> ct_findings(const CtDisagreements& found, const CtConfig& config,
                                 const std::string& where, const Facts& facts);

}  // namespace requant
