#include "kernel/cpu/awq_rows_simd.h"
#include "kernel/cpu/awq_simd.h"

namespace requant::kernel {

extern const AwqKernel k_awq_avx2;
const AwqKernel k_awq_avx2 = {kIsa, machine_has_simd, unpack, pack, to_rows, from_rows};

}  // namespace requant::kernel
