#include "kernel/dot_rows.h"

namespace requant::kernel {
namespace {

void run(const DotRows& p) {
  for (std::size_t t = 0; t < p.tokens; ++t) {
    for (std::size_t r = 0; r < p.rows; ++r) {
      double sum = 0;
      for (std::size_t k = 0; k < p.cols; ++k) {
        sum += static_cast<double>(p.weights[r * p.stride + k]) *
               static_cast<double>(p.inputs[t * p.input_stride + k]);
      }
      p.out[t * p.out_stride + r] = static_cast<float>(sum);
    }
  }
}

}  // namespace

extern const DotRowsKernel k_dot_rows_ref;
const DotRowsKernel k_dot_rows_ref = {"ref", [] { return true; }, run};

}  // namespace requant::kernel
