#include "kernel/rounding_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tensor/float_formats.h"

namespace requant {
namespace {

double f16_at(const std::uint8_t* numbers, std::size_t i) {
  const auto bits = static_cast<std::uint16_t>(numbers[2 * i] | numbers[2 * i + 1] << 8);
  return static_cast<double>(f16_to_f32(bits));
}

std::vector<float> values_of_codes(const Scheme& scheme, const Tensor& codebook) {
  std::vector<float> values;
  if (scheme.element == Element::kCodebook) {
    values.assign(codebook.as<float>().begin(), codebook.as<float>().end());
  } else if (scheme.element == Element::kE2M1) {
    for (int code = 0; code < 16; ++code) {
      values.push_back(e2m1_to_f32(static_cast<std::uint8_t>(code)));
    }
  }
  return values;
}

}  // namespace

RoundingDifference::RoundingDifference(const Scheme& scheme, std::int64_t cols,
                                       const Tensor& codebook)
    : scheme_(scheme), codebook_(values_of_codes(scheme, codebook)) {
  const auto groups = static_cast<std::size_t>(cols / scheme.grid.block_cols);
  scales_.resize(groups);
  if (scheme.offset == Offset::kMinimum) minima_.resize(groups);
}

void RoundingDifference::load_scales(const kernel::RoundBlocks& row) {
  const std::size_t in_outer =
      scheme_.outer
          ? static_cast<std::size_t>(scheme_.outer->grid.block_cols / scheme_.grid.block_cols)
          : 1;
  const bool is_signed = scheme_.scale_dtype == DType::kI8;
  double odd = 0;  // becomes NaN
  for (std::size_t g = 0; g < scales_.size(); ++g) {
    if (scheme_.outer) {
      const double outer = f16_at(row.outer, g / in_outer);
      scales_[g] = outer * (is_signed ? static_cast<std::int8_t>(row.scales[g]) : row.scales[g]);
    } else if (scheme_.scale_dtype == DType::kF8E8M0) {
      scales_[g] = static_cast<double>(e8m0_to_f32(row.scales[g]));
    } else {
      scales_[g] = f16_at(row.scales, g);
    }
    odd += scales_[g] * 0;
    if (minima_.empty()) continue;
    minima_[g] = scheme_.outer ? f16_at(row.outer_minima, g / in_outer) *
                                     static_cast<std::int8_t>(row.minima[g])
                               : f16_at(row.minima, g);
    odd += minima_[g] * 0;
  }
  is_odd_ = is_odd_ || std::isnan(odd);
}

void RoundingDifference::add(std::size_t index, const kernel::RoundBlocks& row) {
  load_scales(row);
  if (is_odd_) return;
  const bool has_table = !codebook_.empty();
  const kernel::CompareCodes compared = {
      .values = row.values,
      .count = row.count,
      .codes = row.codes,
      .is_signed = scheme_.element == Element::kInt && minima_.empty(),
      .codebook = has_table ? codebook_.data() : nullptr,
      .group = static_cast<std::size_t>(scheme_.grid.block_cols),
      .scales = scales_.data(),
      .minima = minima_.empty() ? nullptr : minima_.data()};
  const std::uint64_t before = seen_.elements;
  kernel::compare_codes_kernel().run(compared, seen_);
  if (seen_.elements > before && index < first_row_) note_first(index, compared);
}

void RoundingDifference::note_first(std::size_t index, const kernel::CompareCodes& row) {
  first_row_ = index;
  for (std::size_t i = 0; i < row.count; ++i) {
    const std::uint8_t code = row.codes[i];
    const double element = row.codebook != nullptr ? static_cast<double>(row.codebook[code & 15])
                           : row.is_signed         ? static_cast<std::int8_t>(code)
                                                   : code;
    const std::size_t g = i / row.group;
    const double coded = element * row.scales[g] + (minima_.empty() ? 0.0 : minima_[g]);
    if (coded == static_cast<double>(row.values[i])) continue;
    first_ =
        fmt::format("[{}, {}]: {} against {}", index, i, row.values[i], static_cast<float>(coded));
    return;
  }
}

void RoundingDifference::merge(const RoundingDifference& other) {
  seen_.elements += other.seen_.elements;
  seen_.max_absolute = std::max(seen_.max_absolute, other.seen_.max_absolute);
  seen_.max_ulp = std::max(seen_.max_ulp, other.seen_.max_ulp);
  seen_.largest = std::max(seen_.largest, other.seen_.largest);
  is_odd_ = is_odd_ || other.is_odd_;
  if (other.first_row_ >= first_row_) return;
  first_row_ = other.first_row_;
  first_ = other.first_;
}

std::optional<Difference> RoundingDifference::result() const {
  if (is_odd_) return std::nullopt;
  Difference difference;
  if (seen_.elements == 0) return difference;
  difference.equal = false;
  difference.elements = seen_.elements;
  difference.max_ulp = seen_.max_ulp;
  const auto largest = static_cast<double>(seen_.largest);
  difference.max_relative = largest > 0 ? seen_.max_absolute / largest : HUGE_VAL;
  difference.first = first_;
  return difference;
}

}  // namespace requant
