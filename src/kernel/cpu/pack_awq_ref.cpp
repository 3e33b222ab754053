#include "kernel/pack_awq.h"
#include "kernel/unpack_awq.h"

namespace requant::kernel {
namespace {

void run(const PackAwq& p) {
  const std::int64_t row_bytes = p.outputs / 2;
  for (std::int64_t input = 0; input < p.inputs; ++input) {
    for (std::int64_t byte = 0; byte < row_bytes; ++byte) {
      const std::int64_t first = byte / 4 * 8;
      const int low = p.codes[(first + kAwqOrder[2 * byte % 8]) * p.inputs + input] + 8;
      const int high = p.codes[(first + kAwqOrder[2 * byte % 8 + 1]) * p.inputs + input] + 8;
      p.words[input * row_bytes + byte] = static_cast<std::uint8_t>(low | high << 4);
    }
  }
}

}  // namespace

extern const PackAwqKernel k_pack_awq_ref;
const PackAwqKernel k_pack_awq_ref = {"ref", [](const PackAwq&) { return true; }, run};

}  // namespace requant::kernel
