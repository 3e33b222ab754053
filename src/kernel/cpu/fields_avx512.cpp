#include "kernel/cpu/fields_simd.h"

namespace requant::kernel {

extern const FieldsKernel k_fields_avx512;
const FieldsKernel k_fields_avx512 = {kIsa, machine_has_simd, split, join};

}  // namespace requant::kernel
