#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace requant::jinja {

// What one rendering may cost. Templates come with checkpoints, and those may come from strangers.
struct Limits {
  std::uint64_t steps = 1'000'000;
  std::uint64_t steps_a_value = 2'000;              // more, for each value that it is given
  std::uint64_t bytes = std::uint64_t{64} << 20;    // of the values that live at once
  std::uint64_t written = std::uint64_t{64} << 20;  // text put out, that of macros as well
  int depth = 400;                                  // of what is evaluated inside of another
};

class Budget {
 public:
  explicit Budget(const Limits& limits = {}) : limits_(limits) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // kRefused once the limit is passed.
  Result<void> step(std::uint64_t count = 1) {
    steps_ += count;
    return steps_ > limits_.steps ? Result<void>(over_steps()) : Result<void>();
  }
  // The work of looking through `bytes` of text.
  Result<void> read(std::uint64_t bytes) { return step(bytes / 64); }
  Result<void> write(std::uint64_t bytes);
  // Whether a value of so many bytes would fit. To be asked before one is built.
  Result<void> room(std::uint64_t bytes) const;

  Result<void> enter() {
    return ++depth_ > limits_.depth ? Result<void>(too_deep()) : Result<void>();
  }
  void leave() { --depth_; }

 private:
  friend class Charge;
  Error over_steps() const;
  Error too_deep() const;

  Limits limits_;
  std::uint64_t steps_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t written_ = 0;
  int depth_ = 0;
};

// One level deeper while it lives.
class Level {
 public:
  explicit Level(Budget& budget) : budget_(budget), entered_(budget.enter()) {}
  ~Level() { budget_.leave(); }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
  const Result<void>& entered() const { return entered_; }

 private:
  Budget& budget_;
  Result<void> entered_;
};

// The bytes that a value holds of a budget, given back when it goes. REQUIRES: the budget outlives
// it. Constants of a template have none.
class Charge {
 public:
  Charge() = default;
  Charge(Budget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {
    if (budget_ != nullptr) budget_->bytes_ += bytes_;
  }
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
  Charge& operator=(Charge&&) = delete;
  ~Charge() {
    if (budget_ != nullptr) budget_->bytes_ -= bytes_;
  }

 private:
  Budget* budget_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace requant::jinja
