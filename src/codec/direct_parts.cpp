#include "codec/direct_parts.h"

#include <algorithm>

#include "codec/parts.h"
#include "kernel/transpose.h"

namespace requant {

bool is_as_laid_out(const StoredWeight& weight, std::string_view codec) {
  const Codec* layout = find_codec(codec);
  if (!layout->holds(weight.scheme)) return false;
  const auto specs = layout->layout(weight.scheme, weight.rows, weight.cols);
  if (!specs || specs->size() != weight.parts.size()) return false;
  return std::ranges::all_of(*specs, [&](const PartSpec& spec) {
    return static_cast<bool>(require_part(weight.parts, spec.suffix, spec.dtype, spec.shape));
  });
}

bool states_its_shape(const StoredWeight& weight) {
  const auto shape = weight.parts.at("weight_shape").as<std::int64_t>();
  return shape[0] == weight.rows && shape[1] == weight.cols;
}

Result<Tensor> written_or_found(const StoredWeight& weight, const PartSpec& spec,
                                const Fill& fill) {
  if (weight.expected != nullptr) {
    auto there = require_part(*weight.expected, spec.suffix, spec.dtype, spec.shape);
    bool differs = false;
    // Read only: `differs` is given.
    if (there) fill(const_cast<std::uint8_t*>(there->as<std::uint8_t>().data()), &differs);
    if (there && !differs) return there;
  }
  RQ_TRY(TensorBuilder out, TensorBuilder::make(spec.dtype, spec.shape));
  fill(out.as<std::uint8_t>().data(), nullptr);
  return std::move(out).finish();
}

Result<Tensor> turned_or_found(const StoredWeight& weight, std::string name, const Tensor& words) {
  const std::int64_t rows = words.shape[0];
  const std::int64_t cols = words.shape[1];
  return written_or_found(weight, {std::move(name), DType::kI32, {cols, rows}},
                          [&](std::uint8_t* to, bool* differs) {
                            kernel::transpose({.from = words.as<std::uint8_t>().data(),
                                               .to = to,
                                               .rows = rows,
                                               .cols = cols,
                                               .width = 4,
                                               .differs = differs});
                          });
}

Result<Tensor> shape_part(std::int64_t rows, std::int64_t cols) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI64, {2}));
  out.as<std::int64_t>()[0] = rows;
  out.as<std::int64_t>()[1] = cols;
  return std::move(out).finish();
}

}  // namespace requant
