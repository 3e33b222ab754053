#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include "cli/command.h"

namespace requant::cli {
namespace {

constexpr int kBeforeOtherConstants = 101;
constexpr unsigned kTimeToTell = 100'000;  // microseconds that another thread has to write its line

std::atomic<bool> g_ran_out = false;

// Callers of new see std::bad_alloc, those of new (std::nothrow) a null pointer, as without this.
void note_and_throw() {
  g_ran_out = true;
  throw std::bad_alloc();
}

bool is_out_of_memory() {
  if (g_ran_out) return true;
  const std::exception_ptr thrown = std::current_exception();
  if (!thrown) return false;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    return false;
  }
}

// Where memory runs out in a place that nothing may leave by an exception, the process ends here.
// What is on the disk stands that at any moment.
void end() {
  if (!is_out_of_memory()) std::abort();
  if (!is_first_to_tell()) {
    ::usleep(kTimeToTell);
    ::_exit(kNoResources);
  }
  constexpr std::string_view kLine = "error: out of memory\n";
  const ssize_t written = ::write(STDERR_FILENO, kLine.data(), kLine.size());
  (void)written;  // there is nobody left to tell
  ::_exit(kNoResources);
}

__attribute__((constructor(kBeforeOtherConstants))) void set_handlers() {
  std::set_new_handler(note_and_throw);
  std::set_terminate(end);
}

}  // namespace

bool is_first_to_tell() {
  static std::atomic<bool> told = false;
  return !told.exchange(true);
}

}  // namespace requant::cli
