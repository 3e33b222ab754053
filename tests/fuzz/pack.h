#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace requant::fuzz {

// Calls use(input) for each input of a pack (run.py): of each, how many bytes it has in common with
// the one before it, at its begin and at its end, how many of its own lie between, as little-endian
// u16, and these.
template <class Use>
void for_each_input(std::string_view pack, const Use& use) {
  constexpr std::size_t kHead = 6;
  const auto number = [&](std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(pack[i]); };
    return static_cast<std::size_t>(byte(at) | byte(at + 1) << 8);
  };
  std::string input;
  while (pack.size() >= kHead) {
    const std::size_t begin = std::min(number(0), input.size());
    const std::size_t end = std::min(number(2), input.size() - begin);
    const std::string_view own = pack.substr(kHead, number(4));
    input.replace(begin, input.size() - begin - end, own);
    use(std::string_view(input));
    pack.remove_prefix(kHead + own.size());
  }
}

}  // namespace requant::fuzz
