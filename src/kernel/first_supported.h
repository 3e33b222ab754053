#pragma once

#include <cstddef>

namespace requant::kernel {

// The first of an ordered list whose supports() is true; the last always is.
template <class Kernel, std::size_t kCount>
const Kernel& first_supported(const Kernel* const (&kernels)[kCount]) {
  for (const Kernel* kernel : kernels) {
    if (kernel->supports()) return *kernel;
  }
  return *kernels[kCount - 1];
}

}  // namespace requant::kernel
