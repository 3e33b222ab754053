#include <malloc.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "cli/command.h"
#include "cli/terminal.h"
#include "requant/version.h"

namespace requant::cli {

#define ENTRY(id) extern const Command k_command_##id;
#include "commands.def"
#undef ENTRY

namespace {

constexpr auto commands() {
  return std::to_array<const Command*>({
#define ENTRY(id) &k_command_##id,
#include "commands.def"
#undef ENTRY
  });
}

int run(int argc, char** argv) {
  CLI::App app(
      "requant: any quantised LLM checkpoint on any engine, and proof that it is the same model",
      "requant");
  app.set_version_flag("--version", std::string(version()));
  app.require_subcommand(1);
  app.fallthrough();
  add_terminal_options(app);

  std::function<int()> chosen;
  for (const Command* command : commands()) {
    CLI::App* verb = app.add_subcommand(std::string(command->name), std::string(command->summary));
    verb->callback([&chosen, body = command->add(*verb)] { chosen = body; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {  // CLI11 reports --help this way too
    const int code = app.exit(problem);
    return code == 0 ? kClean : kUsageError;
  }
  return chosen();
}

// Weights are read and written through buffers of megabytes that come and go. Given back to the
// system each time, their pages would be cleared anew for each weight.
void keep_freed_memory() {
#ifdef __GLIBC__
  (void)mallopt(M_ARENA_MAX, 2);  // one for each thread would keep more
  (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
  (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

}  // namespace
}  // namespace requant::cli

int main(int argc, char** argv) try {
  requant::cli::keep_freed_memory();
  return requant::cli::run(argc, argv);
} catch (const std::bad_alloc&) {
  (void)std::fputs("error: out of memory\n", stderr);
  return requant::cli::kNoResources;
} catch (const std::exception& problem) {  // out of threads
  (void)std::fprintf(stderr, "error: %s\n", problem.what());
  return requant::cli::kNoResources;
}
