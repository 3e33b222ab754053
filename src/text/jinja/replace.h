#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/budget.h"

namespace requant::jinja {

// str.replace(): `most` times at most, -1 for all. kRefused where the budget has no room for it.
Result<std::string> replaced(Budget& budget, std::string_view text, std::string_view from,
                             std::string_view to, std::int64_t most);

}  // namespace requant::jinja
