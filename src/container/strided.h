#pragma once

#include "base/file.h"
#include "base/result.h"
#include "container/container.h"

namespace requant {

// Elements to step per dimension in a dense row-major tensor of that shape.
std::vector<std::int64_t> dense_strides(const Shape& shape);

// True when stepping by `strides` is stepping through a dense row-major tensor; the strides of
// dimensions of one element mean nothing.
bool is_dense(const Shape& shape, std::span<const std::int64_t> strides);

// Elements from the first to the last that `strides` reach, both included; 0 for an empty tensor.
// Nothing on overflow and for negative strides. REQUIRES: as many strides as dimensions.
std::optional<std::uint64_t> strided_extent(const Shape& shape,
                                            std::span<const std::int64_t> strides);

// The dense row-major tensor that info.strides() pick from the file.
Result<Tensor> read_strided(const File& file, const TensorInfo& info);

}  // namespace requant
