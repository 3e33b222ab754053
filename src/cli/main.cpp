#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
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

// What planning and checking keep of 200,000 tensors takes some 60,000 pages of the usual size, and
// a fifth of their time to get these one by one. Nothing is taken before it is used.
void use_large_pages() {
#if defined(__GLIBC__) && defined(MADV_HUGEPAGE)
  constexpr std::size_t kHeap = std::size_t{192} << 20;
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const auto* before = static_cast<const std::byte*>(sbrk(0));
  (void)mallopt(M_TOP_PAD, kHeap);
  void* first = std::malloc(kPage / 2);  // more than the heap has: it grows by all of kHeap
  (void)mallopt(M_TOP_PAD, 128 << 10);
  const auto* end = static_cast<const std::byte*>(sbrk(0));
  void* begin = static_cast<std::byte*>(first);
  std::size_t room = end > before && first != nullptr ? static_cast<std::size_t>(end - before) : 0;
  if (room > kHeap && std::align(kPage, kHeap - kPage, begin, room) != nullptr) {
    (void)madvise(begin, kHeap - kPage, MADV_HUGEPAGE);
  }
  std::free(first);
#endif
}

// Weights are read and written through buffers of megabytes that come and go. Given back to the
// system each time, their pages would be cleared anew for each weight.
void keep_freed_memory() {
#ifdef __GLIBC__
  (void)mallopt(M_ARENA_MAX, 2);  // one for each thread would keep more
  (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
  (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
  use_large_pages();
#endif
}

}  // namespace
}  // namespace requant::cli

int main(int argc, char** argv) try {
  requant::cli::keep_freed_memory();
  return requant::cli::run(argc, argv);
} catch (const std::bad_alloc&) {
  if (requant::cli::is_first_to_tell()) (void)std::fputs("error: out of memory\n", stderr);
  return requant::cli::kNoResources;
} catch (const std::exception& problem) {  // out of threads
  (void)std::fprintf(stderr, "error: %s\n", problem.what());
  return requant::cli::kNoResources;
}
