#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
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

TEST(BoundedQueue, WaitsWhileFullAndLetsAHeavyItemInAlone) {
  BoundedQueue<int> queue(10);
  std::atomic<int> pushed = 0;
  std::jthread producer([&] {
    for (const int weight : {4, 6, 50, 1}) {
      queue.push(weight, static_cast<std::size_t>(weight));
      ++pushed;
    }
    queue.close();
  });
  std::vector<int> got;
  while (auto item = queue.pop()) {
    EXPECT_LE(pushed, static_cast<int>(got.size()) + 3);
    got.push_back(item->first);
    queue.release(item->second);
  }
  EXPECT_EQ(got, (std::vector<int>{4, 6, 50, 1}));
}

}  // namespace
}  // namespace requant
