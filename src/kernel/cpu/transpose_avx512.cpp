#include "kernel/cpu/transpose_simd.h"

namespace requant::kernel {

extern const TransposeKernel k_transpose_avx512;
const TransposeKernel k_transpose_avx512 = {kIsa, machine_has_simd, run};

}  // namespace requant::kernel
