#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/file.h"

namespace requant {

using EachPiece = std::function<Result<void>(std::span<const std::byte>)>;

// The SHA-256 of `bytes` bytes of the file from `offset` on, in lower-case hex. They are read in
// pieces of at most 1 MiB, each given to `each`, whose error ends it.
Result<std::string> sha256_hex(const File& file, std::uint64_t offset, std::uint64_t bytes,
                               const EachPiece& each);

}  // namespace requant
