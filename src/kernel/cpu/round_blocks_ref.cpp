#include <algorithm>
#include <cmath>

#include "kernel/cpu/block_rounding.h"
#include "kernel/cpu/plain_codes_ref.h"

namespace requant::kernel {

extern const RoundBlocksKernel k_round_blocks_ref;
const RoundBlocksKernel k_round_blocks_ref = {"ref", [] { return true; },
                                              round_blocks<OneLane, PlainCodes>};

}  // namespace requant::kernel
