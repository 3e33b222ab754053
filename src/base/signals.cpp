#include "base/signals.h"

#include <atomic>
#include <csignal>

namespace requant {
namespace {

std::atomic<bool> g_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // or a handler could not touch it

void on_signal(int) { g_interrupted.store(true); }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return g_interrupted.load(); }
void set_interrupted(bool value) { g_interrupted.store(value); }

Error interruption() { return {ErrorCode::kInterrupted, "interrupted, nothing was written"}; }

}  // namespace requant
