#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "requant/bytes.h"

namespace requant {

// `text` fit for a terminal and for one line of a log: control characters, escape sequences and
// invalid UTF-8 as \xNN, and not longer than `limit` bytes ("..." marks the cut).
std::string printable(std::string_view text, std::size_t limit = 256);

// printable() between single quotes.
std::string in_quotes(std::string_view text);

// "12,345".
std::string grouped(std::uint64_t number);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

bool valid_utf8(std::string_view text);

// Orders digits as numbers: "layers.2." comes before "layers.10.".
bool natural_less(std::string_view a, std::string_view b);

}  // namespace requant
