#include "kernel/compare_codes.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const CompareCodesKernel k_compare_codes_avx2;
extern const CompareCodesKernel k_compare_codes_ref;

namespace {

constexpr const CompareCodesKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_compare_codes_avx2,
#endif
    &k_compare_codes_ref,
};

}  // namespace

std::span<const CompareCodesKernel* const> compare_codes_kernels() { return kKernels; }

const CompareCodesKernel& compare_codes_kernel() {
  static const CompareCodesKernel& chosen = first_supported(kKernels);
  return chosen;
}

}  // namespace requant::kernel
