#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

#include "kernel/awq.h"
#include "kernel/bits.h"
#include "kernel/columns.h"
#include "kernel/fields.h"
#include "kernel/transpose.h"

namespace requant::kernel {
#ifdef REQUANT_KERNELS_X86
// cpu/simd_four_lanes.h
extern const AwqKernel k_awq_four_lanes;
extern const BitsKernel k_bits_four_lanes;
extern const ColumnsKernel k_columns_four_lanes;
extern const FieldsKernel k_fields_four_lanes;
extern const TransposeKernel k_transpose_four_lanes;
#endif

namespace testing_support {

// A list of kernels, and the stand-in for its AVX-512.
template <class Kernel>
std::vector<const Kernel*> tested(std::span<const Kernel* const> kernels) {
  std::vector<const Kernel*> all(kernels.begin(), kernels.end());
#ifdef REQUANT_KERNELS_X86
  if constexpr (std::is_same_v<Kernel, AwqKernel>) all.push_back(&k_awq_four_lanes);
  if constexpr (std::is_same_v<Kernel, BitsKernel>) all.push_back(&k_bits_four_lanes);
  if constexpr (std::is_same_v<Kernel, ColumnsKernel>) all.push_back(&k_columns_four_lanes);
  if constexpr (std::is_same_v<Kernel, FieldsKernel>) all.push_back(&k_fields_four_lanes);
  if constexpr (std::is_same_v<Kernel, TransposeKernel>) all.push_back(&k_transpose_four_lanes);
#endif
  return all;
}

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

}  // namespace testing_support
}  // namespace requant::kernel
