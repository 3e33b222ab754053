#pragma once

#include <string>

#include "dialect/ct_config.h"
#include "dialect/dialect.h"

namespace requant {

// The weights of a checkpoint of compressed-tensors. `where` is the config's key; `nested`: it
// stands in the config of the language model, whose names lack the prefix of the whole.
Result<Resolution> ct_resolve(const Facts& facts, const CtConfig& config, const std::string& where,
                              bool nested);

}  // namespace requant
