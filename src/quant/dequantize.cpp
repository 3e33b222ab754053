#include <span>

#include "base/threads.h"
#include "quant/quantized_weight.h"
#include "quant/row_reader.h"

namespace requant {
namespace {

constexpr std::size_t kGrain = std::size_t{1} << 16;  // elements that are worth a thread

}  // namespace

Result<Tensor> dequantize(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, {weight.rows, weight.cols}));
  const auto cols = static_cast<std::size_t>(weight.cols);
  const std::span<float> values = out.as<float>();
  parallel_for(static_cast<std::size_t>(weight.rows), kGrain / cols + 1,
               [&](std::size_t begin, std::size_t end) {
                 RowReader reader(weight);
                 for (std::size_t row = begin; row < end; ++row) {
                   const auto exact = reader.read(static_cast<std::int64_t>(row));
                   for (std::size_t col = 0; col < cols; ++col) {
                     values[row * cols + col] = nearest_f32(exact[col]);
                   }
                 }
               });
  return std::move(out).finish();
}

}  // namespace requant
