#include "kernel/cpu/columns_simd.h"

namespace requant::kernel {

extern const ColumnsKernel k_columns_avx2;
const ColumnsKernel k_columns_avx2 = {kIsa, machine_has_simd, unpack_blocks, pack_blocks};

}  // namespace requant::kernel
