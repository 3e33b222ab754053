#include <cstring>

#include "kernel/unpack_gptq.h"

namespace requant::kernel {
namespace {

std::uint32_t word_at(const UnpackGptq& p, std::int64_t row, std::int64_t output) {
  std::uint32_t word = 0;
  std::memcpy(&word, p.words + (row * p.outputs + output) * 4, sizeof word);
  return word;
}

void unpack_output(const UnpackGptq& p, std::int64_t output) {
  const int half = 1 << (p.bits - 1);
  const std::uint64_t mask = (std::uint64_t{1} << p.bits) - 1;
  std::int8_t* to = p.codes + output * p.inputs;
  std::uint64_t stream = 0;  // bits read and not yet used, the next code lowest
  int left = 0;
  std::int64_t row = 0;
  for (std::int64_t input = 0; input < p.inputs; ++input) {
    if (left < p.bits) {
      stream |= std::uint64_t{word_at(p, row++, output)} << left;
      left += 32;
    }
    to[input] = static_cast<std::int8_t>(static_cast<int>(stream & mask) - half);
    stream >>= p.bits;
    left -= p.bits;
  }
}

void run(const UnpackGptq& p) {
  for (std::int64_t output = 0; output < p.outputs; ++output) unpack_output(p, output);
}

}  // namespace

extern const UnpackGptqKernel k_unpack_gptq_ref;
const UnpackGptqKernel k_unpack_gptq_ref = {"ref", [](const UnpackGptq&) { return true; }, run};

}  // namespace requant::kernel
