// What an outside project does with the library: opens a checkpoint and says what it is.
#include <requant/inspect.h>
#include <requant/version.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto inspection = requant::inspect(argv[1]);
  if (!inspection) {
    std::cerr << inspection.error().message() << "\n";
    return 1;
  }
  std::cout << "requant " << requant::version() << ": " << inspection->dialect << "\n";
  return inspection->dialect == "lmdeploy" ? 0 : 1;
}
