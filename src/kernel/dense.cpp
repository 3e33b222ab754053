#include "kernel/dense.h"

#include <fmt/format.h>

#include <cstring>
#include <mutex>
#include <optional>

#include "base/threads.h"
#include "kernel/dense_row.h"
#include "quant/row_reader.h"
#include "tensor/float_formats.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kGrain = std::size_t{1} << 16;  // elements that are worth a thread

// The codes that dense_row() knows, under scales that it can take one at a time.
std::optional<DenseCode> plain_code(const QuantizedWeight& w) {
  const Scheme& scheme = w.scheme;
  if (scheme.outer || scheme.permuted || scheme.offset == Offset::kMinimum || scheme.is_dense()) {
    return std::nullopt;
  }
  switch (scheme.element) {
    case Element::kInt:
      return DenseCode::kInt8;
    case Element::kE4M3Fn:
      return DenseCode::kE4M3Fn;
    case Element::kE5M2:
      return DenseCode::kE5M2;
    default:
      return std::nullopt;
  }
}

// The rows [begin, end), each as runs of columns that share a cell.
void fast_rows(const QuantizedWeight& w, DenseCode code, DType dtype, std::span<std::byte> out,
               std::size_t begin, std::size_t end) {
  RowReader reader(w);
  const auto cols = static_cast<std::size_t>(w.cols);
  const std::size_t width = static_cast<std::size_t>(info(dtype).bits) / 8;
  const auto codes = w.codes.as<std::uint8_t>();
  for (std::size_t row = begin; row < end; ++row) {
    const auto cells = reader.cells(static_cast<std::int64_t>(row));
    const auto cell_of = reader.cell_of_column();
    for (std::size_t col = 0; col < cols;) {
      std::size_t next = col + 1;
      while (next < cols && cell_of[next] == cell_of[col]) ++next;
      const ScaleCell& cell = cells[cell_of[col]];
      dense_row({.codes = codes.data() + row * cols + col,
                 .count = next - col,
                 .code = code,
                 .scale = static_cast<float>(cell.scale),
                 .zero = static_cast<int>(cell.zero),
                 .dtype = dtype,
                 .out = out.data() + (row * cols + col) * width});
      col = next;
    }
  }
}

std::uint16_t narrow(const ExactValue& value, DType dtype) {
  return dtype == DType::kF16 ? f32_to_f16(odd_f32(value)) : f32_to_bf16(odd_f32(value));
}

void exact_rows(const QuantizedWeight& w, DType dtype, TensorBuilder& out, std::size_t begin,
                std::size_t end) {
  RowReader reader(w);
  const auto cols = static_cast<std::size_t>(w.cols);
  for (std::size_t row = begin; row < end; ++row) {
    const auto values = reader.read(static_cast<std::int64_t>(row));
    for (std::size_t col = 0; col < cols; ++col) {
      if (dtype == DType::kF32) {
        out.as<float>()[row * cols + col] = nearest_f32(values[col]);
      } else {
        out.as<std::uint16_t>()[row * cols + col] = narrow(values[col], dtype);
      }
    }
  }
}

// Codes of 1, which every unquantised weight has: one run of them serves all.
Result<Bytes> ones(std::size_t count) {
  static std::mutex mutex;
  static Bytes kept;
  const std::lock_guard lock(mutex);
  if (kept.size() < count) {
    kept = {};
    RQ_TRY(Buffer buffer, Buffer::allocate(count));
    std::memset(buffer.data(), 1, count);
    kept = std::move(buffer).freeze();
  }
  return kept.slice(0, count);
}

Result<void> check_dense_dtype(DType dtype) {
  if (is_half_or_single(dtype)) return {};
  return refused(fmt::format("dense weights are F32, BF16 or F16, not {}", name_of(dtype)));
}

}  // namespace

Result<Tensor> dense_tensor(const QuantizedWeight& weight, DType dtype) {
  RQ_CHECK(check_dense_dtype(dtype));
  RQ_CHECK(validate(weight));
  if (weight.scheme.is_dense() && weight.scheme.scale_dtype == dtype) return weight.scales;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(dtype, {weight.rows, weight.cols}));
  const std::optional<DenseCode> code = plain_code(weight);
  parallel_for(static_cast<std::size_t>(weight.rows),
               kGrain / static_cast<std::size_t>(weight.cols) + 1,
               [&](std::size_t begin, std::size_t end) {
                 if (code) {
                   fast_rows(weight, *code, dtype, out.bytes(), begin, end);
                 } else {
                   exact_rows(weight, dtype, out, begin, end);
                 }
               });
  return std::move(out).finish();
}

Result<QuantizedWeight> dense_weight(const Tensor& tensor) {
  RQ_CHECK(check_dense_dtype(tensor.dtype));
  if (tensor.shape.size() != 2) {
    return corrupt("a weight of shape " + to_string(tensor.shape));
  }
  QuantizedWeight weight;
  weight.scheme = Scheme::dense(tensor.dtype);
  weight.rows = tensor.shape[0];
  weight.cols = tensor.shape[1];
  weight.scales = tensor;
  weight.codes = {.dtype = DType::kI8, .shape = tensor.shape, .bytes = {}};
  RQ_TRY(weight.codes.bytes, ones(static_cast<std::size_t>(tensor.elements())));
  RQ_CHECK(validate(weight));
  return weight;
}

}  // namespace requant::kernel
