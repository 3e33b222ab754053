#include <cstring>

#include "kernel/fields.h"

namespace requant::kernel {
namespace {

void split(const SplitFields& p) {
  const std::uint32_t mask = (1U << p.bits) - 1;
  for (std::int64_t j = 0; j < p.count; ++j) {
    std::uint32_t unit = 0;
    std::memcpy(&unit, p.units + j * p.unit_bytes, static_cast<std::size_t>(p.unit_bytes));
    for (int i = 0; i < p.fields; ++i) {
      const int field = static_cast<int>(unit >> (p.first_shift + i * p.shift_step) & mask);
      p.codes[i * p.stride + j] = static_cast<std::uint8_t>((field ^ p.flip) - p.bias);
    }
  }
}

bool join(const JoinFields& p) {
  const int mask = (1 << p.bits) - 1;
  int dropped = 0;
  for (std::int64_t j = 0; j < p.count; ++j) {
    int unit = 0;
    for (int i = 0; i < p.fields; ++i) {
      const int field = ((p.codes[i * p.stride + j] + p.bias) & 0xFF) ^ p.flip;
      dropped |= field & ~mask;
      unit |= (field & mask) << (p.first_shift + i * p.shift_step);
    }
    p.units[j] = static_cast<std::uint8_t>(unit);
  }
  return dropped == 0;
}

}  // namespace

extern const FieldsKernel k_fields_ref;
const FieldsKernel k_fields_ref = {"ref", [] { return true; }, split, join};

}  // namespace requant::kernel
