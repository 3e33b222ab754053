#include <cstring>
#include <vector>

#include "kernel/columns.h"

namespace requant::kernel {

extern const BitsKernel k_bits_ref;

namespace {

void unpack(const UnpackColumns& p) {
  const std::int64_t count = p.inputs * p.bits / 32;
  std::vector<std::uint8_t> column(static_cast<std::size_t>(4 * count));
  for (std::int64_t output = 0; output < p.outputs; ++output) {
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(column.data() + 4 * i, p.words + (i * p.outputs + output) * 4, 4);
    }
    k_bits_ref.unpack({column.data(), 4 * count, p.codes + output * p.inputs, 1, p.inputs, p.bits,
                       p.order, p.flip, p.bias});
  }
}

bool pack(const PackColumns& p) {
  const std::int64_t count = p.inputs * p.bits / 32;
  std::vector<std::uint8_t> column(static_cast<std::size_t>(4 * count));
  bool fits = true;
  for (std::int64_t output = 0; output < p.outputs; ++output) {
    fits &= k_bits_ref.pack({p.codes + output * p.inputs, 1, p.inputs, column.data(), 4 * count,
                             p.bits, p.order, p.flip, p.bias});
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(p.words + (i * p.outputs + output) * 4, column.data() + 4 * i, 4);
    }
  }
  return fits;
}

}  // namespace

extern const ColumnsKernel k_columns_ref;
const ColumnsKernel k_columns_ref = {"ref", [] { return true; }, unpack, pack};

}  // namespace requant::kernel
