#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "requant/result.h"

namespace requant::cli {

// The whole of a file of text; "-" is stdin.
Result<std::string> read_text(const std::filesystem::path& path);

std::vector<std::string> lines_of(std::string_view text);

// "1 2,3": numbers of tokens with spaces or commas between them.
Result<std::vector<std::uint32_t>> parse_ids(std::string_view text);

// Text that a model wrote, at once and byte for byte; on a terminal as print() does it.
void print_text(std::string_view text);

// Bytes as they are.
void print_bytes(std::string_view bytes);

std::string ids_text(const std::vector<std::uint32_t>& ids);

}  // namespace requant::cli
