// Compiled with -mavx2: see kernel/CMakeLists.txt for what must not be included.
#include "kernel/cpu/block_rounding.h"
#include "kernel/cpu/eight_lanes.h"
#include "kernel/cpu/plain_codes_avx2.h"

namespace requant::kernel {
namespace {

bool supports() { return __builtin_cpu_supports("avx2") != 0; }

}  // namespace

extern const RoundBlocksKernel k_round_blocks_avx2;
const RoundBlocksKernel k_round_blocks_avx2 = {"avx2", supports,
                                               round_blocks<EightLanes, EightPlainCodes>};

}  // namespace requant::kernel
