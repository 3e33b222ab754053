#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "codec/direct.h"

// What direct paths to and from ct-pack share.
namespace requant {

// Whether the tensors are those that the codec writes for such a weight, all of them and no others.
bool is_as_laid_out(const StoredWeight& weight, std::string_view codec);

// Whether weight_shape says the rows and columns that the weight has.
bool states_its_shape(const StoredWeight& weight);

// What `fill` writes, or the expected tensor of that name where it is the same. `fill` takes its
// arguments as kernels do: with `differs` it writes nothing.
using Fill = std::function<void(std::uint8_t* to, bool* differs)>;
Result<Tensor> written_or_found(const StoredWeight& weight, const PartSpec& spec, const Fill& fill);

// A matrix of 32-bit words, transposed.
Result<Tensor> turned_or_found(const StoredWeight& weight, std::string name, const Tensor& words);

// weight_shape.
Result<Tensor> shape_part(std::int64_t rows, std::int64_t cols);

}  // namespace requant
