#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <new>
#include <string>
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

TEST(Threads, ForEachParallelGivesEachIndexOnce) {
  for (const std::size_t count : {0u, 1u, 7u, 1000u}) {
    std::vector<std::atomic<int>> seen(count);
    const auto done = for_each_parallel(count, [&](std::size_t i) -> Result<void> {
      ++seen[i];
      return {};
    });
    EXPECT_TRUE(done);
    for (const auto& times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(Threads, ForEachParallelBeginsNothingAfterAnError) {
  std::atomic<int> begun = 0;
  const auto done = for_each_parallel(1'000'000, [&](std::size_t i) -> Result<void> {
    ++begun;
    if (i >= 3) return corrupt("no such thing");
    return {};
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "no such thing");
  EXPECT_LE(begun, 4 + 2 * thread_limit());
}

TEST(Threads, TryParallelForGivesTheErrorOfTheFirstPiece) {
  for (const int threads : {1, 2, 7}) {
    const auto done = try_parallel_for(100, 1, threads, [](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        if (i >= 5) return Result<void>(corrupt("no " + std::to_string(i)));
      }
      return Result<void>();
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message(), "no 5");
  }
  EXPECT_TRUE(try_parallel_for(
      0, 1, 2, [](std::size_t, std::size_t) { return Result<void>(corrupt("nothing to do")); }));
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
