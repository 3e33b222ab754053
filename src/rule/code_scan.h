#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// One tensor of codes or of unquantised weights, summed up.
struct CodeFacts {
  const TensorInfo* tensor = nullptr;
  const Weight* weight = nullptr;  // nullptr: unquantised
  std::uint64_t blocks = 0;        // of kBlock bytes, the last one shorter
  std::uint64_t constant = 0;      // blocks in which all bytes are the same
  std::uint8_t byte = 0;           // of the first of these
  bool is_one_byte = false;        // the same byte from end to end
  std::uint64_t not_finite = 0;    // words of 8 bytes with a number that is none
  std::uint64_t out_of_range = 0;  // codes that so many bits cannot be
};

// The codes of every quantised weight and all unquantised tensors, read once, front to back, a
// megabyte at a time on all threads.
class CodeScan {
 public:
  static constexpr std::uint64_t kBlock = 4096;

  static Result<CodeScan> read(const Checkpoint& checkpoint);

  const std::vector<CodeFacts>& all() const { return all_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::vector<CodeFacts> all_;
  std::uint64_t bytes_ = 0;
};

}  // namespace requant
