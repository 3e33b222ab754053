#include "kernel/cpu/block_rounding.h"

namespace requant::kernel {

extern const RoundBlocksKernel k_round_blocks_ref;
const RoundBlocksKernel k_round_blocks_ref = {"ref", [] { return true; }, round_blocks<OneLane>};

}  // namespace requant::kernel
