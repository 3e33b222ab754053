#include "kernel/expand_codes.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const ExpandCodesKernel k_expand_codes_avx2;
extern const ExpandCodesKernel k_expand_codes_ref;

namespace {

constexpr const ExpandCodesKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_expand_codes_avx2,
#endif
    &k_expand_codes_ref,
};

}  // namespace

std::span<const ExpandCodesKernel* const> expand_codes_kernels() { return kKernels; }

const ExpandCodesKernel& expand_codes_kernel() {
  static const ExpandCodesKernel& chosen = first_supported(kKernels);
  return chosen;
}

}  // namespace requant::kernel
