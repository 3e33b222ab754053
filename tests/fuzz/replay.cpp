// Runs a target on stored inputs, without libFuzzer: single files, folders of them, and packs.
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "pack.h"
#include "target.h"

namespace {

namespace fs = std::filesystem;

struct Tally {
  long inputs = 0;
  double slowest = 0;  // seconds of processor time
};

// The sanitizer sees a read past the end of an allocation of just that size.
void run_one(std::string_view input, Tally& tally) {
  const auto copy = std::make_unique<std::uint8_t[]>(input.size());
  for (std::size_t i = 0; i < input.size(); ++i) copy[i] = static_cast<std::uint8_t>(input[i]);
  const std::clock_t begin = std::clock();
  requant::fuzz::LLVMFuzzerTestOneInput(copy.get(), input.size());
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  ++tally.inputs;
  if (seconds > tally.slowest) tally.slowest = seconds;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void run_path(const fs::path& path, Tally& tally) {
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) run_path(entry.path(), tally);
  } else if (path.extension() == ".pack") {
    const std::string pack = read(path);
    requant::fuzz::for_each_input(pack, [&](std::string_view input) { run_one(input, tally); });
  } else {
    run_one(read(path), tally);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Tally tally;
  for (int i = 1; i < argc; ++i) {
    if (fs::exists(argv[i])) run_path(argv[i], tally);
  }
  std::printf("%ld inputs, the slowest %.3f s\n", tally.inputs, tally.slowest);
  return tally.inputs == 0 ? 1 : 0;
}
