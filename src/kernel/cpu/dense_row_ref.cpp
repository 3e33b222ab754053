#include "kernel/dense_row.h"
#include "quant/exact.h"
#include "tensor/float_formats.h"

namespace requant::kernel {
namespace {

float decode(DenseCode code, std::uint8_t bits) {
  switch (code) {
    case DenseCode::kInt8:
      return static_cast<std::int8_t>(bits);
    case DenseCode::kE4M3Fn:
      return e4m3fn_to_f32(bits);
    case DenseCode::kE5M2:
      return e5m2_to_f32(bits);
  }
  return 0;
}

void run(const DenseRow& p) {
  for (std::size_t i = 0; i < p.count; ++i) {
    const double code = static_cast<double>(decode(p.code, p.codes[i])) - p.zero;
    const ExactValue value = exact_product(code, static_cast<double>(p.scale), 1);
    switch (p.dtype) {
      case DType::kF16:
        static_cast<std::uint16_t*>(p.out)[i] = f32_to_f16(odd_f32(value));
        break;
      case DType::kBF16:
        static_cast<std::uint16_t*>(p.out)[i] = f32_to_bf16(odd_f32(value));
        break;
      default:
        static_cast<float*>(p.out)[i] = nearest_f32(value);
        break;
    }
  }
}

}  // namespace

extern const DenseRowKernel k_dense_row_ref;
const DenseRowKernel k_dense_row_ref = {"ref", [](const DenseRow&) { return true; }, run};

}  // namespace requant::kernel
