#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/signals.h"
#include "plan/memory.h"
#include "plan/verify_pair.h"

namespace requant {
namespace {

std::int64_t ordinal(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return bits >= 0 ? bits : -static_cast<std::int64_t>(bits & 0x7FFFFFFF);
}

std::uint64_t ulps(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::uint64_t{1} << 32;
  return static_cast<std::uint64_t>(
      std::abs(ordinal(static_cast<float>(a)) - ordinal(static_cast<float>(b))));
}

bool same_value(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

std::string place_of(std::uint64_t index, const Shape& shape) {
  std::vector<std::int64_t> place(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    const auto size = static_cast<std::uint64_t>(std::max<std::int64_t>(1, shape[i]));
    place[i] = static_cast<std::int64_t>(index % size);
    index /= size;
  }
  return to_string(place);
}

PairReport different(std::string what) {
  PairReport report;
  report.status = PairStatus::kDiffers;
  report.first = std::move(what);
  return report;
}

Result<Tensor> as_run(DType dtype, std::uint64_t elements, Bytes bytes) {
  return Tensor::make(dtype, {static_cast<std::int64_t>(elements)}, std::move(bytes));
}

}  // namespace

Result<PieceReader> PieceReader::open(const TensorSide& side) {
  PieceReader reader;
  reader.side_ = side;
  if (side.view != nullptr) {
    RQ_TRY(const QuantizedWeight weight, read_view(*side.checkpoint, *side.view));
    reader.whole_ = weight.scales.bytes;
    return reader;
  }
  if (side.tensor->strides().empty()) return reader;
  RQ_TRY(const Tensor tensor, side.checkpoint->source().read(*side.tensor));
  reader.whole_ = tensor.bytes;
  return reader;
}

Result<Bytes> PieceReader::read(std::uint64_t begin, std::uint64_t size) const {
  if (interrupted()) return interruption();
  if (side_.view != nullptr || !side_.tensor->strides().empty()) return whole_.slice(begin, size);
  RQ_TRY(Buffer buffer, Buffer::allocate(size));
  RQ_CHECK(side_.checkpoint->source().read_bytes(*side_.tensor, begin, buffer.span()));
  return std::move(buffer).freeze();
}

void ValueTally::add(std::uint64_t begin, const Tensor& a, const Tensor& b) {
  const std::int64_t count = a.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double left = element_as_double(a, i);
    const double right = element_as_double(b, i);
    if (std::isfinite(left)) largest_value_ = std::max(largest_value_, std::fabs(left));
    if (!same_value(left, right)) add_different(begin + static_cast<std::uint64_t>(i), left, right);
  }
}

void ValueTally::add_different(std::uint64_t index, double a, double b) {
  if (elements_++ == 0) first_ = fmt::format("{}: {} against {}", place_of(index, shape_), a, b);
  const double distance = std::fabs(a - b);
  largest_difference_ = std::isnan(distance) ? HUGE_VAL : std::max(largest_difference_, distance);
  max_ulp_ = std::max(max_ulp_, ulps(a, b));
}

PairReport ValueTally::report() const {
  PairReport report;
  if (elements_ == 0) return report;
  report.status = PairStatus::kDiffers;
  report.elements = elements_;
  report.max_ulp = max_ulp_;
  report.max_relative = largest_value_ > 0 ? largest_difference_ / largest_value_ : HUGE_VAL;
  report.first = first_;
  return report;
}

Result<PairReport> compare_tensors(const TensorSide& a, const TensorSide& b) {
  const bool one_each = element_count(a.tensor->shape) == 1 && element_count(b.tensor->shape) == 1;
  if (a.tensor->shape != b.tensor->shape && !one_each) {
    return different(to_string(a.tensor->shape) + " against " + to_string(b.tensor->shape));
  }
  const int a_bits = info(a.tensor->dtype).bits;
  const int b_bits = info(b.tensor->dtype).bits;
  const bool same_dtype = a.tensor->dtype == b.tensor->dtype;
  if (!same_dtype && (a_bits < 8 || b_bits < 8)) {
    return different(
        fmt::format("{} against {}", name_of(a.tensor->dtype), name_of(b.tensor->dtype)));
  }
  RQ_TRY(const PieceReader left, PieceReader::open(a));
  RQ_TRY(const PieceReader right, PieceReader::open(b));
  ValueTally tally(a.tensor->shape);
  const auto bits = static_cast<std::uint64_t>(std::max({a_bits, b_bits, 8}));
  const std::uint64_t step = kChunkBytes * 8 / bits;  // elements, whole bytes of both
  const std::uint64_t count = element_count(a.tensor->shape).value_or(0);
  for (std::uint64_t begin = 0; begin < count; begin += step) {
    const std::uint64_t elements = std::min(step, count - begin);
    const auto a_bytes = static_cast<std::uint64_t>(a_bits),
               b_bytes = static_cast<std::uint64_t>(b_bits);
    RQ_TRY(Bytes x, left.read(begin * a_bytes / 8, elements * a_bytes / 8));
    RQ_TRY(Bytes y, right.read(begin * b_bytes / 8, elements * b_bytes / 8));
    if (same_dtype && std::memcmp(x.data(), y.data(), x.size()) == 0) continue;
    if (a_bits < 8) return different("the packed bytes differ");
    RQ_TRY(const Tensor p, as_run(a.tensor->dtype, elements, std::move(x)));
    RQ_TRY(const Tensor q, as_run(b.tensor->dtype, elements, std::move(y)));
    tally.add(begin, p, q);
  }
  return tally.report();
}

}  // namespace requant
