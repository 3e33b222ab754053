#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace requant {

// The numbers 0 to count - 1 in natural_less() order of their names. Names that differ only in
// leading zeros come in the order of their bytes, equal names in that of their numbers.
std::vector<std::uint32_t> natural_order(std::size_t count,
                                         const std::function<std::string_view(std::size_t)>& name);

}  // namespace requant
