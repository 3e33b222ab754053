#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace requant {

// What foreign_format() says of a pickle.
inline constexpr std::string_view kPickleFormat = "a Python pickle";

// What a file whose first bytes are `head` looks like, where it is not what its name promised:
// "a git-lfs pointer (...)". Empty when it looks like nothing known.
std::string_view foreign_format(std::span<const std::byte> head);

}  // namespace requant
