#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "plan/plan.h"

namespace requant {

// Bytes of a tensor that are in flight at once in each thread: what several threads have in hand
// fits a processor's cache, and a disk reads it at 99 % of its sequential rate.
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// Threads beyond those that compute, so that some wait for the disk while others do.
constexpr int kWaitingThreads = 2;

// Weights that are decoded and encoded whole may together take this much, one larger weight alone
// more.
constexpr std::uint64_t kTranscodeBudget = std::uint64_t{256} << 20;

// The most that decoding, encoding and comparing this weight takes.
std::uint64_t transcode_bytes(const Plan& plan, const WeightStep& step);

// The most that one round of a job takes.
std::uint64_t regroup_bytes(const Plan& plan, const RegroupJob& job);

// The most that running the plan takes: the program and its headers, each thread's chunk, and the
// weights that may have to be decoded whole.
std::uint64_t peak_memory(const Plan& plan, int threads);

// Lets threads in while their sizes together stay within a bound; one larger than that alone.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t bytes) : bytes_(bytes) {}

  class Share {
   public:
    Share(ByteBudget& budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {
      budget_.take(bytes_);
    }
    ~Share() { budget_.give_back(bytes_); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    ByteBudget& budget_;
    std::uint64_t bytes_;
  };

 private:
  void take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes);

  std::mutex mutex_;
  std::condition_variable freed_;
  std::uint64_t bytes_;
  std::uint64_t used_ = 0;
};

}  // namespace requant
