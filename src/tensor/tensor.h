#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace requant {

// Dimensions of a row-major tensor, outermost first.
using Shape = std::vector<std::int64_t>;

std::string to_string(const Shape& shape);  // "[576, 1]"

// A dense row-major tensor. Immutable and shared: copying one copies no data.
// bytes.size() is byte_size(dtype, elements) for every tensor made by make() or read from a
// container.
struct Tensor {
  DType dtype = DType::kU8;
  Shape shape;
  Bytes bytes;

  // kCorrupt when the bytes are not as many as dtype and shape ask for.
  static Result<Tensor> make(DType dtype, Shape shape, Bytes bytes);

  bool empty() const { return bytes.empty(); }
  std::int64_t elements() const;

  // REQUIRES: T is as wide as dtype, and bytes are aligned for T (frozen Buffers are).
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

// Same dtype, shape and bytes. Free where both share memory.
bool same_bits(const Tensor& a, const Tensor& b);

// A tensor while it is being filled.
class TensorBuilder {
 public:
  // Not zeroed. kCorrupt when the size overflows, kResource when there is no memory.
  static Result<TensorBuilder> make(DType dtype, Shape shape);

  template <class T>
  std::span<T> as() {
    return buffer_.as<T>();
  }
  std::span<std::byte> bytes() { return buffer_.span(); }
  Tensor finish() &&;

 private:
  DType dtype_ = DType::kU8;
  Shape shape_;
  Buffer buffer_;
};

// Element `index` of a tensor of F32, F16, BF16, F64 or an integer or 8-bit float type, as double
// (exact for all but the widest 64-bit integers).
double element_as_double(const Tensor& tensor, std::int64_t index);

// Every element as F32 (rounded once where the type is wider).
Result<Tensor> to_f32(const Tensor& tensor);

}  // namespace requant
