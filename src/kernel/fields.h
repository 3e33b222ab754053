#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// Codes that are the same field of consecutive units, then the next field of all of them: HQQ's
// rows, and the two output rows that share the bytes of ModelOpt's int4.
//
//   codes[i x stride + j] = (field i of units[j] ^ flip) - bias
//
// Field i of the `fields` lies at bit first_shift + i x shift_step of a unit.
// REQUIRES: bits <= 8, every field within its unit.
struct SplitFields {
  const std::uint8_t* units;  // little-endian, of any alignment
  int unit_bytes;             // 1 or 4
  std::int64_t count;         // of units
  std::uint8_t* codes;
  std::int64_t stride;
  int fields;
  int first_shift;
  int shift_step;
  int bits;
  int flip = 0;
  int bias = 0;
};

// And back, for units of one byte that are full of their fields. Bits above `bits` are dropped.
struct JoinFields {
  const std::uint8_t* codes;
  std::int64_t stride;
  std::uint8_t* units;
  std::int64_t count;
  int fields;
  int first_shift;
  int shift_step;
  int bits;
  int flip = 0;
  int bias = 0;
};

// One implementation; see ScanFp8Kernel.
struct FieldsKernel {
  const char* name;
  bool (*supports)();  // this machine
  void (*split)(const SplitFields&);
  bool (*join)(const JoinFields&);  // true where no bits were dropped
};

// Best first; the last is "ref", which runs everywhere.
std::span<const FieldsKernel* const> fields_kernels();

// Run the first kernel that this machine supports.
void split_fields(const SplitFields& problem);
[[nodiscard]] bool join_fields(const JoinFields& problem);

}  // namespace requant::kernel
