#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>

namespace requant::kernel::testing_support {

// Bytes aligned to a cache line, as results are that kernels write past the cache.
class LineBytes {
 public:
  explicit LineBytes(std::int64_t size) : size_(static_cast<std::size_t>(size)) {
    const std::size_t whole = (size_ + 63) / 64 * 64;
    bytes_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(64, whole)));
    for (std::size_t i = 0; i < size_; ++i) bytes_.get()[i] = 99;
  }
  static LineBytes random(std::int64_t size) {
    LineBytes bytes(size);
    std::mt19937 generator(1);
    for (std::size_t i = 0; i < bytes.size_; ++i) {
      bytes.data()[i] = static_cast<std::uint8_t>(generator());
    }
    return bytes;
  }
  std::uint8_t* data() { return bytes_.get(); }
  friend bool operator==(const LineBytes& a, const LineBytes& b) {
    return a.size_ == b.size_ &&
           std::equal(a.bytes_.get(), a.bytes_.get() + a.size_, b.bytes_.get());
  }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const { std::free(bytes); }
  };
  std::size_t size_;
  std::unique_ptr<std::uint8_t, Free> bytes_;
};

}  // namespace requant::kernel::testing_support
