#include "base/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <ctime>

namespace requant {
namespace {

constexpr long kPatienceNanoseconds = 800'000'000;
constexpr int kSignalled = 128;  // shells' code for a process that ended by signal N is this + N

// A handler may touch these only because no lock is behind them.
std::atomic<bool> g_interrupted = false;
std::atomic<int> g_signal = 0;
std::atomic<const char*> g_last_words = "error: interrupted\n";
static_assert(std::atomic<bool>::is_always_lock_free);
static_assert(std::atomic<int>::is_always_lock_free);
static_assert(std::atomic<const char*>::is_always_lock_free);

timer_t g_patience;
std::atomic<bool> g_has_patience = false;

void on_signal(int signal) {
  g_signal.store(signal);
  g_interrupted.store(true);
  if (!g_has_patience.load()) return;
  const itimerspec once = {.it_interval = {0, 0}, .it_value = {0, kPatienceNanoseconds}};
  timer_settime(g_patience, 0, &once, nullptr);
}

void on_patience_over(int) {
  const char* line = g_last_words.load();
  const ssize_t written = ::write(STDERR_FILENO, line, std::strlen(line));
  (void)written;  // there is nobody left to tell
  ::_exit(kSignalled + g_signal.load());
}

void handle(int signal, void (*handler)(int), unsigned flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(flags);
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void catch_interrupts() {
  if (!g_has_patience.load()) {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    g_has_patience.store(timer_create(CLOCK_MONOTONIC, &event, &g_patience) == 0);
  }
  handle(SIGALRM, on_patience_over, 0);
  handle(SIGINT, on_signal, SA_RESETHAND | SA_RESTART);
  handle(SIGTERM, on_signal, SA_RESETHAND | SA_RESTART);
  handle(SIGXFSZ, SIG_IGN, 0);
}

bool interrupted() { return g_interrupted.load(); }
int interrupting_signal() { return g_signal.load(); }
void set_interrupted(bool value) { g_interrupted.store(value); }
void set_last_words(const char* line) { g_last_words.store(line); }

Error interruption() { return {ErrorCode::kInterrupted, "interrupted, nothing was written"}; }

}  // namespace requant
