#pragma once

#include <cstddef>
#include <span>

#include "quant/scheme.h"
#include "tensor/tensor.h"

namespace requant {

// True where a stored code is NaN or infinite. As fast as memory is.
bool has_special_code(Element element, std::span<const std::byte> codes);

// True where every scale is a finite number above 0: then no weight needs a repair.
bool all_positive(const Tensor& scales);

}  // namespace requant
