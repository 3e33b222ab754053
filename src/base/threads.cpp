#include "base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace requant {
namespace {

int allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::atomic<int>& limit() {
  static std::atomic<int> value = allowed_cpus();
  return value;
}

}  // namespace

int thread_limit() { return limit(); }
void set_thread_limit(int threads) { limit() = std::max(1, threads); }

void parallel_for(std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t, std::size_t)>& work) {
  parallel_for(count, grain, thread_limit(), work);
}

void parallel_for(std::size_t count, std::size_t grain, int most,
                  const std::function<void(std::size_t, std::size_t)>& work) {
  if (count == 0) return;
  const std::size_t pieces = std::max<std::size_t>(1, count / std::max<std::size_t>(1, grain));
  const std::size_t threads = std::min(static_cast<std::size_t>(std::max(1, most)), pieces);
  if (threads == 1) return work(0, count);

  const auto edge = [&](std::size_t i) {
    return count / threads * i + std::min(i, count % threads);
  };
  std::vector<std::exception_ptr> failures(threads);
  const auto run = [&](std::size_t i) {
    try {
      work(edge(i), edge(i + 1));
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    others.reserve(threads);
    std::size_t started = 1;
    try {
      for (; started < threads; ++started) others.emplace_back(run, started);
    } catch (const std::exception&) {
      // No more threads are to be had, or no memory for one: this one does what they would have
      // done.
    }
    run(0);
    for (std::size_t i = started; i < threads; ++i) run(i);
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

Result<void> try_parallel_for(std::size_t count, std::size_t grain, int threads,
                              const std::function<Result<void>(std::size_t, std::size_t)>& work) {
  std::mutex mutex;
  std::size_t first = count;
  std::optional<Error> failure;
  parallel_for(count, grain, threads, [&](std::size_t begin, std::size_t end) {
    auto done = or_out_of_memory([&] { return work(begin, end); });
    if (done) return;
    const std::lock_guard lock(mutex);
    if (begin >= first) return;
    first = begin;
    failure = std::move(done).error();
  });
  if (failure) return *std::move(failure);
  return {};
}

Result<void> for_each_parallel(std::size_t count,
                               const std::function<Result<void>(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> failure;
  const auto threads = static_cast<std::size_t>(thread_limit());
  parallel_for(threads, 1, [&](std::size_t, std::size_t) {
    for (std::size_t i = next++; i < count; i = next++) {
      auto done = or_out_of_memory([&] { return work(i); });
      if (done) continue;
      next = count;
      const std::lock_guard lock(mutex);
      if (!failure) failure.emplace(std::move(done).error());
    }
  });
  if (failure) return *std::move(failure);
  return {};
}

}  // namespace requant
