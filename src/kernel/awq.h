#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// 4-bit codes of eight outputs in one little-endian word, a row of words to an input. The nibbles
// of a word, counted from the low end, are the outputs order[i] of its eight.
using AwqOrder = std::int64_t[8];
// AutoAWQ's (casper-hansen/AutoAWQ awq/utils/packing_utils.py@0.2.9).
constexpr AwqOrder kAwqOrder = {0, 2, 4, 6, 1, 3, 5, 7};
constexpr AwqOrder kPlainOrder = {0, 1, 2, 3, 4, 5, 6, 7};

// words [inputs, outputs / 8] -> codes [outputs, inputs], (nibble ^ flip) - 8. A flip of 8 is for
// nibbles in two's complement.
// REQUIRES, here and below: outputs a multiple of 8. Words may be of any alignment.
struct UnpackAwq {
  const std::uint8_t* words;
  std::uint8_t* codes;
  std::int64_t inputs;
  std::int64_t outputs;
  const AwqOrder& order = kAwqOrder;
  int flip = 0;
};

// And back. Of a code outside [-8, 7] bits are dropped.
struct PackAwq {
  const std::uint8_t* codes;
  std::uint8_t* words;
  std::int64_t inputs;
  std::int64_t outputs;
  const AwqOrder& order = kAwqOrder;
};

// words [inputs, outputs / 8] -> the same nibbles as rows [outputs, inputs / 2] of bytes, the low
// one first.
// REQUIRES: inputs even.
struct AwqToRows {
  const std::uint8_t* words;
  std::uint8_t* rows;
  std::int64_t inputs;
  std::int64_t outputs;
  const AwqOrder& order = kAwqOrder;
  // Given, nothing is written: it becomes true where `rows` hold something else.
  bool* differs = nullptr;
};

// And back.
struct RowsToAwq {
  const std::uint8_t* rows;
  std::uint8_t* words;
  std::int64_t inputs;
  std::int64_t outputs;
  const AwqOrder& order = kAwqOrder;
  bool* differs = nullptr;
};

// One implementation; see ScanFp8Kernel.
struct AwqKernel {
  const char* name;
  bool (*supports)();  // this machine
  void (*unpack)(const UnpackAwq&);
  bool (*pack)(const PackAwq&);  // true where no bits were dropped
  void (*to_rows)(const AwqToRows&);
  void (*from_rows)(const RowsToAwq&);
};

// Best first; the last is "ref", which runs everywhere.
std::span<const AwqKernel* const> awq_kernels();

// Run the first kernel that this machine supports.
void unpack_awq(const UnpackAwq& problem);
[[nodiscard]] bool pack_awq(const PackAwq& problem);
void awq_to_rows(const AwqToRows& problem);
void rows_to_awq(const RowsToAwq& problem);

}  // namespace requant::kernel
