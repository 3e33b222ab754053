#include "plan/stored_matrix.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "codec/parts.h"
#include "plan/job.h"

namespace requant {
namespace {

// One number that all matrices of a stack have in common.
bool is_shared(const TensorInfo& info) { return info.shape.empty(); }

// The tensor at `index` along the first dimension.
Result<Tensor> read_slice(const Checkpoint& checkpoint, const TensorInfo& info, std::int64_t index,
                          std::int64_t count) {
  const auto of = static_cast<std::uint64_t>(count);
  if (is_shared(info)) return checkpoint.source().read(info);
  if (info.shape[0] != count || info.bytes % of != 0) {
    return corrupt(fmt::format("{} is {}, expected {} matrices", printable(info.name),
                               to_string(info.shape), count));
  }
  const std::uint64_t size = info.bytes / of;
  const std::uint64_t begin = size * static_cast<std::uint64_t>(index);
  const Shape shape(info.shape.begin() + 1, info.shape.end());
  if (!info.strides().empty()) {
    RQ_TRY(const Tensor whole, checkpoint.source().read(info));
    return Tensor::make(info.dtype, shape, whole.bytes.slice(begin, size));
  }
  RQ_TRY(Buffer buffer, Buffer::allocate(size));
  RQ_CHECK(checkpoint.source().read_bytes(info, begin, buffer.span()));
  return Tensor::make(info.dtype, shape, std::move(buffer).freeze());
}

Result<WeightParts> read_parts(const Checkpoint& checkpoint, const StoredMatrix& matrix,
                               const SeenCall& seen) {
  const Weight& weight = *matrix.weight;
  WeightParts parts;
  if (matrix.index < 0) {
    RQ_TRY(parts, checkpoint.read_parts(weight));
  } else {
    for (const auto& [suffix, info] : weight.parts) {
      RQ_TRY(Tensor tensor, read_slice(checkpoint, *info, matrix.index, weight.experts));
      parts.emplace(suffix, std::move(tensor));
    }
  }
  for (const auto& [suffix, info] : weight.parts) {
    if (!seen) break;
    const auto bytes = parts.find(suffix)->second.bytes.span();
    const auto index = static_cast<std::uint64_t>(std::max<std::int64_t>(0, matrix.index));
    if (is_shared(*info) && index > 0) continue;  // seen with the first
    seen(*info, index * bytes.size(), bytes);
  }
  if (!weight.scheme.is_dense()) return parts;
  Tensor& values = parts.begin()->second;
  if (values.shape.size() == 1) values.shape.push_back(1);
  if (matrix.transposed) {
    RQ_TRY(values, transpose(values));
  }
  return parts;
}

}  // namespace

WeightForm form_of(const StoredMatrix& matrix) {
  const Weight& weight = *matrix.weight;
  const std::int64_t count = matrix.index < 0 ? 1 : weight.experts;
  return {weight.scheme, weight.rows / count, weight.cols};
}

std::uint64_t stored_bytes(const StoredMatrix& matrix) {
  std::uint64_t bytes = 0;
  for (const auto& [suffix, info] : matrix.weight->parts) bytes += info->bytes;
  return matrix.index < 0 ? bytes : bytes / static_cast<std::uint64_t>(matrix.weight->experts);
}

Result<QuantizedWeight> read_matrix(const Checkpoint& checkpoint, const StoredMatrix& matrix,
                                    const SeenCall& seen) {
  const Weight& weight = *matrix.weight;
  if (weight.codec->decode == nullptr) {
    return refused(printable(weight.module) + ": " + std::string(weight.codec->long_name));
  }
  RQ_TRY(const WeightParts parts, read_parts(checkpoint, matrix, seen));
  const TensorInfo& first = *weight.parts.front().second;
  RQ_TRY_IN(
      auto decoded, weight.codec->decode(parts, weight.scheme),
      printable(checkpoint.source().files()[first.file].label()) + ": " + printable(weight.module));
  return decoded;
}

Result<QuantizedWeight> read_matrix(const Checkpoint& checkpoint, const StoredMatrix& matrix) {
  return read_matrix(checkpoint, matrix, {});
}

Result<Weight> dense_weight_of(const DenseTensor& tensor, bool is_stack, bool transposed) {
  const TensorInfo& info = *tensor.tensor;
  Shape shape = info.shape;
  std::int64_t count = 1;
  if (is_stack && !shape.empty()) {
    count = shape[0];
    shape.erase(shape.begin());
  }
  const bool is_float =
      info.dtype == DType::kF32 || info.dtype == DType::kF16 || info.dtype == DType::kBF16;
  const bool fits = (shape.size() == 1 || shape.size() == 2) && count > 0 && !info.shape.empty() &&
                    element_count(info.shape).value_or(0) > 0;
  if (!is_float || !fits) {
    return corrupt(fmt::format("{} is {} {}, expected {} of F32, F16 or BF16", printable(info.name),
                               name_of(info.dtype), to_string(info.shape),
                               is_stack ? "a stack of matrices" : "a matrix or vector"));
  }
  if (shape.size() == 1) shape.push_back(1);
  if (transposed) std::swap(shape[0], shape[1]);
  Weight weight;
  weight.module = tensor.module;
  weight.place = tensor.place;
  weight.codec = find_codec("dense");
  weight.scheme = Scheme::dense(info.dtype);
  weight.rows = count * shape[0];
  weight.cols = shape[1];
  weight.experts = count;
  weight.parts = {{"weight", &info}};
  return weight;
}

}  // namespace requant
