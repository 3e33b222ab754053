#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dialect/dialect.h"

namespace requant {

// The class that compressed-tensors' readers see in a module: "Linear" for projections, experts,
// routers and the head, "Embedding"; empty for the rest.
std::string_view ct_class_of(Role role);

// The shortest `ignore` list that covers every unquantised module and no quantised one, as the
// reader's own matcher has it: a pattern for each tower without quantised modules, one for modules
// that are the same in every layer, names for the rest.
Result<std::vector<std::string>> ct_ignore_list(const ConfigRequest& request);

}  // namespace requant
