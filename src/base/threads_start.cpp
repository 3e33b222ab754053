#include "base/threads_start.h"

#include <exception>

namespace requant {

std::vector<std::jthread> start_threads(int count, const std::function<void()>& work) {
  std::vector<std::jthread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back([&work] { work(); });
  } catch (const std::exception&) {
    // Out of threads, or of memory for one: those that run do the work of all.
  }
  return threads;
}

}  // namespace requant
