#include "kernel/columns.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const ColumnsKernel k_columns_avx512;
extern const ColumnsKernel k_columns_avx2;
extern const ColumnsKernel k_columns_ref;

namespace {

constexpr const ColumnsKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_columns_avx512,
    &k_columns_avx2,
#endif
    &k_columns_ref,
};

}  // namespace

std::span<const ColumnsKernel* const> columns_kernels() { return kKernels; }

void unpack_columns(const UnpackColumns& problem) { first_supported(kKernels).unpack(problem); }

bool pack_columns(const PackColumns& problem) { return first_supported(kKernels).pack(problem); }

}  // namespace requant::kernel
