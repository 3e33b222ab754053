#include "kernel/cpu/pack_bits_simd.h"
#include "kernel/cpu/unpack_bits_simd.h"

namespace requant::kernel {

extern const BitsKernel k_bits_avx2;
const BitsKernel k_bits_avx2 = {kIsa, machine_has_simd, unpack, pack};

}  // namespace requant::kernel
