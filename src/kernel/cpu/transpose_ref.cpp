#include <cstring>

#include "kernel/transpose.h"

namespace requant::kernel {
namespace {

void run(const Transpose& p) {
  const auto width = static_cast<std::size_t>(p.width);
  std::uint8_t* to = p.to;
  for (std::int64_t col = 0; col < p.cols; ++col) {
    for (std::int64_t row = 0; row < p.rows; ++row, to += p.width) {
      const std::uint8_t* from = p.from + (row * p.cols + col) * p.width;
      if (p.differs == nullptr) {
        std::memcpy(to, from, width);
      } else if (std::memcmp(to, from, width) != 0) {
        *p.differs = true;
      }
    }
  }
}

}  // namespace

extern const TransposeKernel k_transpose_ref;
const TransposeKernel k_transpose_ref = {"ref", [] { return true; }, run};

}  // namespace requant::kernel
