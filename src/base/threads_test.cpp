#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <new>
#include <vector>

namespace requant {
namespace {

TEST(Threads, ParallelForCoversEachIndexOnce) {
  for (const std::size_t count : {0u, 1u, 7u, 1000u}) {
    std::vector<std::atomic<int>> seen(count);
    parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) ++seen[i];
    });
    for (const auto& times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(Threads, ParallelForHandsOutOfMemoryToItsCaller) {
  const auto result = or_out_of_memory([]() -> Result<void> {
    parallel_for(1000, 1, [](std::size_t begin, std::size_t) {
      if (begin > 0 || thread_limit() == 1)
        std::rethrow_exception(std::make_exception_ptr(std::bad_alloc()));
    });
    return {};
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kResource);
}

}  // namespace
}  // namespace requant
