#include "kernel/round_blocks.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const RoundBlocksKernel k_round_blocks_avx2;
extern const RoundBlocksKernel k_round_blocks_ref;

namespace {

constexpr const RoundBlocksKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_round_blocks_avx2,
#endif
    &k_round_blocks_ref,
};

}  // namespace

std::span<const RoundBlocksKernel* const> round_blocks_kernels() { return kKernels; }

const RoundBlocksKernel& round_blocks_kernel() {
  static const RoundBlocksKernel& chosen = first_supported(kKernels);
  return chosen;
}

}  // namespace requant::kernel
