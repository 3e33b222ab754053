#include "kernel/cpu/transpose_simd.h"

namespace requant::kernel {

extern const TransposeKernel k_transpose_avx2;
const TransposeKernel k_transpose_avx2 = {kIsa, machine_has_simd, run};

}  // namespace requant::kernel
