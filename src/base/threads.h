#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace requant {

// Threads that this process may use: the CPUs it is allowed on, or what set_thread_limit() said.
int thread_limit();
void set_thread_limit(int threads);

// Calls work(begin, end) over [0, count) in pieces of at least `grain`, on up to thread_limit()
// threads, and returns when all are done. `work` must not throw.
void parallel_for(std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& work);

// A queue between threads whose total weight (bytes, say) stays at or under a bound: push() waits
// while it is full. One item heavier than the bound is let in alone.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // False when the queue was closed.
  bool push(T item, std::size_t weight) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return closed_ || used_ == 0 || used_ + weight <= capacity_; });
    if (closed_) return false;
    used_ += weight;
    items_.emplace_back(std::move(item), weight);
    not_empty_.notify_one();
    return true;
  }

  // Nothing when the queue was closed and is empty. The item's weight counts until release().
  std::optional<std::pair<T, std::size_t>> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    auto item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  void release(std::size_t weight) {
    const std::lock_guard lock(mutex_);
    used_ -= weight;
    not_full_.notify_all();
  }

  // No more items; those inside can still be popped.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    not_full_.notify_all();
    not_empty_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<std::pair<T, std::size_t>> items_;
  std::size_t used_ = 0;
  std::size_t capacity_;
  bool closed_ = false;
};

}  // namespace requant
