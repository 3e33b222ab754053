#pragma once

#include <optional>
#include <string_view>

#include "codec/direct.h"

// What direct paths to and from ct-pack share.
namespace requant {

// Whether the tensors are those that the codec writes for such a weight, all of them and no others.
bool is_as_laid_out(const StoredWeight& weight, std::string_view codec);

// Whether weight_shape says the rows and columns that the weight has.
bool states_its_shape(const StoredWeight& weight);

// weight_shape.
Result<Tensor> shape_part(std::int64_t rows, std::int64_t cols);

}  // namespace requant
