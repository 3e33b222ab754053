// container_probe PATH: opens a checkpoint and says what is in it. What run_hostile.py drives.
#include <cstdio>

#include "container/container.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto source = requant::open_source(argv[1]);
  if (!source) {
    std::fprintf(stderr, "error: %s\n", source.error().message().c_str());
    return 3;
  }
  std::printf("%zu tensors in %zu files\n", source->tensors().size(), source->files().size());
  for (const std::string& note : source->notes()) std::fprintf(stderr, "note: %s\n", note.c_str());
  return 0;
}
