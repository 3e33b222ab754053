#include "kernel/unpack_awq.h"

namespace requant::kernel {
namespace {

void run(const UnpackAwq& p) {
  const std::int64_t row_bytes = p.outputs / 2;
  for (std::int64_t input = 0; input < p.inputs; ++input) {
    const std::uint8_t* row = p.words + input * row_bytes;
    for (std::int64_t nibble = 0; nibble < p.outputs; ++nibble) {
      const std::int64_t output = nibble / 8 * 8 + kAwqOrder[nibble % 8];
      const int code = (row[nibble / 2] >> (4 * (nibble % 2))) & 0xF;
      p.codes[output * p.inputs + input] = static_cast<std::int8_t>(code - 8);
    }
  }
}

}  // namespace

extern const UnpackAwqKernel k_unpack_awq_ref;
const UnpackAwqKernel k_unpack_awq_ref = {"ref", [](const UnpackAwq&) { return true; }, run};

}  // namespace requant::kernel
