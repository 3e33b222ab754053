#pragma once

#include <string>
#include <utility>
#include <vector>

#include "requant/result.h"

namespace requant::cli {

// "NAME=VALUE" each, of --set.
Result<std::vector<std::pair<std::string, std::string>>> parse_settings(
    const std::vector<std::string>& texts);

}  // namespace requant::cli
