#pragma once

#include "plan/verify.h"
#include "plan/verify_sides.h"

namespace requant {

// One side of a pair.
struct WeightSide {
  const Checkpoint* checkpoint = nullptr;
  const Weight* weight = nullptr;
  const View* view = nullptr;  // where it is a part of what is stored, which `weight` describes
};
struct TensorSide {
  const Checkpoint* checkpoint = nullptr;
  const TensorInfo* tensor = nullptr;
  const View* view = nullptr;  // likewise
};

// Each fills everything of the report but its name.
Result<PairReport> compare_weights(const WeightSide& a, const WeightSide& b);
// `weight_first`: which side is the first in messages.
Result<PairReport> compare_decoded(const WeightSide& weight, const TensorSide& dense,
                                   bool weight_first);
Result<PairReport> compare_tensors(const TensorSide& a, const TensorSide& b);

// Reads a tensor piece by piece, also where its file does not hold it as one run of bytes.
class PieceReader {
 public:
  static Result<PieceReader> open(const TensorSide& side);
  Result<Bytes> read(std::uint64_t begin, std::uint64_t size) const;

 private:
  TensorSide side_;
  Bytes whole_;  // of strided tensors and views
};

// Compares runs of elements by value and remembers the worst.
class ValueTally {
 public:
  // `shape` is for messages.
  explicit ValueTally(Shape shape) : shape_(std::move(shape)) {}
  // Elements from `begin` on. Both of as many elements.
  void add(std::uint64_t begin, const Tensor& a, const Tensor& b);
  PairReport report() const;

 private:
  void add_different(std::uint64_t index, double a, double b);
  Shape shape_;
  std::uint64_t elements_ = 0;
  std::uint64_t max_ulp_ = 0;
  double largest_difference_ = 0;
  double largest_value_ = 0;
  std::string first_;
};

}  // namespace requant
