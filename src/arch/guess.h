#pragma once

#include <cstddef>
#include <string_view>

#include "arch/architecture.h"

namespace requant {

// What a module probably is, from its name and the rank of its weight alone: for architectures that
// no data file describes.
Module guess_module(std::string_view module, std::size_t rank);

}  // namespace requant
