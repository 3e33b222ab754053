#pragma once

#include <optional>
#include <string_view>

#include "codec/codec.h"

// What codecs take their input through, and nothing else: names, dtypes, shapes and sizes are
// checked here before a byte is read.
namespace requant {

// nullptr when there is no part of that name.
const Tensor* find_part(const WeightParts& parts, std::string_view name);

// The part of that name with just that dtype and shape, and as many bytes as they need.
Result<Tensor> require_part(const WeightParts& parts, std::string_view name, DType dtype,
                            const Shape& shape);

// The part of that name with as many bytes as its own dtype and shape need, which the caller
// checks.
Result<Tensor> require_part(const WeightParts& parts, std::string_view name);

// "'scale' is F16 [8], expected F32 [8, 1]".
Error unexpected(std::string_view name, const Tensor& tensor, std::string_view expected);

// The same bytes under another dtype of the same width, or another shape of as many elements.
Tensor relabel(Tensor tensor, DType dtype, Shape shape);

// [rows, cols] of whole bytes -> [cols, rows]. REQUIRES: two dimensions.
Result<Tensor> transpose(const Tensor& matrix);

// I8 as I16, which zero points are in the neutral form.
Result<Tensor> widen_i8(const Tensor& tensor);
// And back: kRefused, with the tensor's name in it, for a number that I8 cannot hold.
Result<Tensor> narrow_i16(std::string_view name, const Tensor& tensor);

// The dtype in which a float element is stored, and back; nothing for other elements and dtypes.
std::optional<DType> dtype_of(Element element);
std::optional<Element> element_of(DType dtype);

}  // namespace requant
