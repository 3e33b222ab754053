#include "kernel/fields.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const FieldsKernel k_fields_avx512;
extern const FieldsKernel k_fields_avx2;
extern const FieldsKernel k_fields_ref;

namespace {

constexpr const FieldsKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_fields_avx512,
    &k_fields_avx2,
#endif
    &k_fields_ref,
};

}  // namespace

std::span<const FieldsKernel* const> fields_kernels() { return kKernels; }

void split_fields(const SplitFields& problem) { first_supported(kKernels).split(problem); }

bool join_fields(const JoinFields& problem) { return first_supported(kKernels).join(problem); }

}  // namespace requant::kernel
