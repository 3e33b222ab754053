#include "codec/gptq_word_packing.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/bits.h"
#include "kernel/columns.h"

namespace requant {
namespace {

constexpr std::int64_t kRun = 32;  // codes that planes are made of

kernel::BitOrder order_of(GptqPacking packing) {
  return packing == GptqPacking::kStream ? kernel::BitOrder::kStream : kernel::BitOrder::kPlanes;
}

const std::uint8_t* bytes_of(std::span<const std::uint32_t> words) {
  return static_cast<const std::uint8_t*>(static_cast<const void*>(words.data()));
}

std::uint8_t* bytes_of(std::span<std::uint32_t> words) {
  return static_cast<std::uint8_t*>(static_cast<void*>(words.data()));
}

}  // namespace

bool gptq_packs(GptqPacking packing, int bits, std::int64_t count) {
  if (bits < 1 || bits > 8 || count < 1) return false;
  return packing == GptqPacking::kPlanes ? count % kRun == 0 : count % kRun * bits % 32 == 0;
}

void gptq_unpack(GptqPacking packing, int bits, std::span<const std::uint32_t> words,
                 std::span<std::uint8_t> codes) {
  kernel::unpack_bits({.packed = bytes_of(words),
                       .row_bytes = static_cast<std::int64_t>(words.size_bytes()),
                       .codes = codes.data(),
                       .rows = 1,
                       .cols = static_cast<std::int64_t>(codes.size()),
                       .bits = bits,
                       .order = order_of(packing)});
}

void gptq_pack(GptqPacking packing, int bits, std::span<const std::uint8_t> codes,
               std::span<std::uint32_t> words) {
  (void)kernel::pack_bits({.codes = codes.data(),
                           .rows = 1,
                           .cols = static_cast<std::int64_t>(codes.size()),
                           .packed = bytes_of(words),
                           .row_bytes = static_cast<std::int64_t>(words.size_bytes()),
                           .bits = bits,
                           .order = order_of(packing)});
}

Result<Tensor> gptq_unpack_weight(GptqPacking packing, int bits, const Tensor& words) {
  const std::int64_t inputs = words.shape[0] * 32 / bits;
  const std::int64_t outputs = words.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {outputs, inputs}));
  kernel::unpack_columns({.words = words.as<std::uint8_t>().data(),
                          .codes = out.as<std::uint8_t>().data(),
                          .inputs = inputs,
                          .outputs = outputs,
                          .bits = bits,
                          .order = order_of(packing),
                          .bias = 1 << (bits - 1)});
  return std::move(out).finish();
}

Result<Tensor> gptq_pack_weight(GptqPacking packing, int bits, const Tensor& codes) {
  const int half = 1 << (bits - 1);
  const std::int64_t outputs = codes.shape[0];
  const std::int64_t inputs = codes.shape[1];
  const std::int64_t words = inputs / kRun * bits + inputs % kRun * bits / 32;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, {words, outputs}));
  const bool fits = kernel::pack_columns({.codes = codes.as<std::uint8_t>().data(),
                                          .words = out.as<std::uint8_t>().data(),
                                          .inputs = inputs,
                                          .outputs = outputs,
                                          .bits = bits,
                                          .order = order_of(packing),
                                          .bias = half});
  if (fits) return std::move(out).finish();
  const int misfit = *std::ranges::find_if(
      codes.as<std::int8_t>(), [half](int code) { return code < -half || code >= half; });
  return refused(fmt::format("'qweight' would hold {}, outside {} bits", misfit + half, bits));
}

}  // namespace requant
