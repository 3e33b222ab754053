// Judges many safetensors files at once, for differential.py: reads a pack (run.py) on standard
// input and prints a line for each: "ok", or why it is refused.
#include <iostream>
#include <iterator>
#include <string>

#include "container/container.h"
#include "memory_folder.h"

namespace requant::fuzz {
namespace {

std::string verdict_on(std::string bytes) {
  MemoryFolder folder;
  folder.add("model.safetensors", std::move(bytes));
  const auto source = open_source(folder, "model.safetensors");
  return source ? "ok" : source.error().message();
}

std::size_t size_at(std::string_view pack) {
  std::size_t size = 0;
  for (unsigned i = 0; i < 4; ++i) {
    size |= std::size_t{static_cast<std::uint8_t>(pack[i])} << 8 * i;
  }
  return size;
}

}  // namespace
}  // namespace requant::fuzz

int main() {
  const std::string input(std::istreambuf_iterator<char>(std::cin), {});
  std::string_view pack = input;
  while (pack.size() >= 4) {
    const std::size_t size = std::min(requant::fuzz::size_at(pack), pack.size() - 4);
    std::cout << requant::fuzz::verdict_on(std::string(pack.substr(4, size))) << '\n';
    pack.remove_prefix(4 + size);
  }
  return 0;
}
