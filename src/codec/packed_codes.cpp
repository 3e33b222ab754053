#include "codec/packed_codes.h"

#include "kernel/bits.h"

namespace requant {

Result<Tensor> unpack_codes(const Tensor& packed, std::int64_t rows, std::int64_t cols, int bits) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {rows, cols}));
  kernel::unpack_bits({.packed = packed.as<std::uint8_t>().data(),
                       .row_bytes = cols * bits / 8,
                       .codes = out.as<std::uint8_t>().data(),
                       .rows = rows,
                       .cols = cols,
                       .bits = bits});
  return std::move(out).finish();
}

Result<Tensor> pack_codes(const Tensor& codes, int bits) {
  const std::int64_t width = codes.shape[1] * bits / 8;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {codes.shape[0], width}));
  (void)kernel::pack_bits({.codes = codes.as<std::uint8_t>().data(),
                           .rows = codes.shape[0],
                           .cols = codes.shape[1],
                           .packed = out.as<std::uint8_t>().data(),
                           .row_bytes = width,
                           .bits = bits});
  return std::move(out).finish();
}

}  // namespace requant
