#include "kernel/cpu/transpose_simd.h"
#include "kernel/transpose.h"

namespace requant::kernel {
namespace {

void run(const Transpose& p) {
  const Turn turn = {p.from, p.cols * p.width, p.to, p.rows * p.width};
  const Sink sink(p.to, p.rows * p.width, p.rows * p.cols * p.width, p.differs);
  if (p.width == 1) {
    turn_matrix<1>(turn, p.rows, p.cols, sink);
  } else if (p.width == 2) {
    turn_matrix<2>(turn, p.rows, p.cols, sink);
  } else {
    turn_matrix<4>(turn, p.rows, p.cols, sink);
  }
}

}  // namespace

extern const TransposeKernel k_transpose_avx512;
const TransposeKernel k_transpose_avx512 = {kIsa, machine_has_simd, run};

}  // namespace requant::kernel
