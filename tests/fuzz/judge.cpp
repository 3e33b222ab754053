// Judges many safetensors files at once, for differential.py: reads a pack (run.py) on standard
// input and prints a line for each: "ok", or why it is refused.
#include <iostream>
#include <iterator>
#include <string>

#include "container/container.h"
#include "memory_folder.h"
#include "pack.h"

namespace requant::fuzz {
namespace {

std::string verdict_on(std::string bytes) {
  MemoryFolder folder;
  folder.add("model.safetensors", std::move(bytes));
  const auto source = open_source(folder, "model.safetensors");
  return source ? "ok" : source.error().message();
}

}  // namespace
}  // namespace requant::fuzz

int main() {
  const std::string input(std::istreambuf_iterator<char>(std::cin), {});
  requant::fuzz::for_each_input(input, [](std::string_view bytes) {
    std::cout << requant::fuzz::verdict_on(std::string(bytes)) << '\n';
  });
  return 0;
}
