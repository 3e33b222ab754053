#pragma once

#include <cstddef>
#include <functional>
#include <new>

#include "base/result.h"

namespace requant {

// Threads that this process may use: the CPUs it is allowed on, or what set_thread_limit() said.
int thread_limit();
void set_thread_limit(int threads);

// Calls work(begin, end) over [0, count) in pieces of at least `grain`, on up to thread_limit()
// threads, and returns when all are done. What `work` runs out of (std::bad_alloc) reaches the
// caller.
void parallel_for(std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& work);
// The same on up to `threads` threads: for work that waits more than it computes.
void parallel_for(std::size_t count, std::size_t grain, int threads,
                  const std::function<void(std::size_t begin, std::size_t end)>& work);

// The same for work that can fail: a piece ends with its first error, and that of the first piece
// that has one counts. kResource where memory is out.
Result<void> try_parallel_for(
    std::size_t count, std::size_t grain, int threads,
    const std::function<Result<void>(std::size_t begin, std::size_t end)>& work);

// Calls work(i) for every i below `count` on up to thread_limit() threads, each i for the next that
// is free. After an error none begins any more; the first one counts.
Result<void> for_each_parallel(std::size_t count,
                               const std::function<Result<void>(std::size_t)>& work);

// Runs `work`, which gives a Result; kResource instead of an exception when memory is out. For the
// body of a thread, where an exception would end the process.
template <class Work>
auto or_out_of_memory(const Work& work) -> decltype(work()) try {
  return work();
} catch (const std::bad_alloc&) {
  return resource("out of memory");
}

}  // namespace requant
