#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace requant::cli {

// A line on stderr that says how far a long run is: bytes, rate, time left. Draws nothing where
// stderr is no terminal, and is gone when it ends.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // From any thread.
  void update(std::uint64_t done_bytes, std::uint64_t total_bytes);

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  std::string label_;
  bool drawn_ = false;
  bool enabled_;
  Clock::time_point begin_;
  Clock::time_point last_;
};

}  // namespace requant::cli
