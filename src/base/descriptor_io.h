#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/result.h"

namespace requant {

// "out/a.json: writing: No space left on device", kResource.
Error io_error(const std::filesystem::path& path, std::string_view doing, int error_number);

// All bytes, where the descriptor stands; `path` is what it is called in messages.
Result<void> write_all(const std::filesystem::path& path, int descriptor,
                       std::span<const std::byte> bytes);

}  // namespace requant
