#include "kernel/awq.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const AwqKernel k_awq_avx512;
extern const AwqKernel k_awq_avx2;
extern const AwqKernel k_awq_ref;

namespace {

constexpr const AwqKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_awq_avx512,
    &k_awq_avx2,
#endif
    &k_awq_ref,
};

}  // namespace

std::span<const AwqKernel* const> awq_kernels() { return kKernels; }

void unpack_awq(const UnpackAwq& problem) { first_supported(kKernels).unpack(problem); }
bool pack_awq(const PackAwq& problem) { return first_supported(kKernels).pack(problem); }
void awq_to_rows(const AwqToRows& problem) { first_supported(kKernels).to_rows(problem); }
void rows_to_awq(const RowsToAwq& problem) { first_supported(kKernels).from_rows(problem); }

}  // namespace requant::kernel
