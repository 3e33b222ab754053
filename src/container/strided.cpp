#include "container/strided.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace requant {
namespace {

// Row-major order over all dimensions but the last, as element offsets in the source.
class Rows {
 public:
  Rows(const Shape& shape, std::span<const std::int64_t> strides)
      : shape_(shape), strides_(strides), index_(shape.size(), 0) {}

  std::int64_t offset() const { return offset_; }

  // False after the last row.
  bool next() {
    for (std::size_t d = shape_.size() - 1; d-- > 0;) {
      if (++index_[d] < shape_[d]) {
        offset_ += strides_[d];
        return true;
      }
      offset_ -= strides_[d] * (shape_[d] - 1);  // the stride of one element is anything
      index_[d] = 0;
    }
    return false;
  }

 private:
  const Shape& shape_;
  std::span<const std::int64_t> strides_;
  std::vector<std::int64_t> index_;
  std::int64_t offset_ = 0;
};

const Shape& stepped_shape(const TensorInfo& info) {
  return info.strided_shape().empty() ? info.shape : info.strided_shape();
}

// REQUIRES: the tensor is not empty and has a dimension; `from` holds its whole extent.
template <std::size_t kWidth>
void gather(const std::byte* from, const TensorInfo& info, std::byte* to) {
  const Shape& shape = stepped_shape(info);
  const std::int64_t count = shape.back();
  const auto step = static_cast<std::size_t>(info.strides().back()) * kWidth;
  Rows rows(shape, info.strides());
  do {
    const std::byte* element = from + static_cast<std::size_t>(rows.offset()) * kWidth;
    for (std::int64_t i = 0; i < count; ++i, to += kWidth) {
      std::memcpy(to, element, kWidth);
      if (i + 1 < count) element += step;
    }
  } while (rows.next());
}

}  // namespace

std::vector<std::int64_t> dense_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) {
    const auto step = (Checked::from_signed(strides[d]) * Checked::from_signed(shape[d])).value();
    strides[d - 1] = static_cast<std::int64_t>(step.value_or(0));
  }
  return strides;
}

bool is_dense(const Shape& shape, std::span<const std::int64_t> strides) {
  const auto dense = dense_strides(shape);
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (!empty && shape[d] != 1 && strides[d] != dense[d]) return false;
  }
  return true;
}

std::optional<std::uint64_t> strided_extent(const Shape& shape,
                                            std::span<const std::int64_t> strides) {
  Checked last(0);
  bool empty = false;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] < 0 || strides[d] < 0) return std::nullopt;
    if (shape[d] == 0) {
      empty = true;
    } else {
      last = last + Checked::from_signed(shape[d] - 1) * Checked::from_signed(strides[d]);
    }
  }
  return empty ? 0 : (last + 1).value();
}

Result<Tensor> read_strided(const File& file, const TensorInfo& info) {
  const auto extent = strided_extent(stepped_shape(info), info.strides());
  const auto bytes = extent ? byte_size(info.dtype, *extent) : std::nullopt;
  if (!bytes) return corrupt("the extent of " + to_string(info.shape) + " overflows");
  RQ_TRY(const Bytes from, file.read_at(info.offset, *bytes));
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(info.dtype, info.shape));
  if (*extent > 0) {
    std::byte* to = builder.bytes().data();
    switch (requant::info(info.dtype).bits) {
      case 8:
        gather<1>(from.data(), info, to);
        break;
      case 16:
        gather<2>(from.data(), info, to);
        break;
      case 32:
        gather<4>(from.data(), info, to);
        break;
      case 64:
        gather<8>(from.data(), info, to);
        break;
      default:
        return refused(fmt::format("{} with strides", name_of(info.dtype)));
    }
  }
  return std::move(builder).finish();
}

}  // namespace requant
