#include "kernel/bits.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const BitsKernel k_bits_avx512;
extern const BitsKernel k_bits_avx2;
extern const BitsKernel k_bits_ref;

namespace {

constexpr const BitsKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_bits_avx512,
    &k_bits_avx2,
#endif
    &k_bits_ref,
};

}  // namespace

std::span<const BitsKernel* const> bits_kernels() { return kKernels; }

void unpack_bits(const UnpackBits& problem) { first_supported(kKernels).unpack(problem); }

bool pack_bits(const PackBits& problem) { return first_supported(kKernels).pack(problem); }

}  // namespace requant::kernel
