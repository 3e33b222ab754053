#include "quant/round_to_nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/threads.h"
#include "quant/round_to_codebook.h"
#include "quant/rounding_rule.h"
#include "quant/row_reader.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr std::size_t kGrain = 1 << 16;  // elements that are worth a thread
constexpr int kSearchSteps = 100;
constexpr float kSmallestRange = 0.2F;

struct Range {
  float low = 0;  // 0 is always inside
  float high = 0;
  float magnitude() const { return std::max(-low, high); }
};

void load_row(const Tensor& weight, std::int64_t row, std::vector<float>& out) {
  load_f32(weight, static_cast<std::size_t>(row) * out.size(), out);
}

// e4m3fn in blocks of rows and columns, with scales that only transformers' dialect has.
bool is_fine_grained(const Scheme& s) {
  const bool is_block = s.grid.block_rows > 1 && s.grid.block_cols > 1;
  return s.element == Element::kE4M3Fn && is_block && !s.outer &&
         (s.scale_dtype == DType::kF32 || s.scale_dtype == DType::kF8E8M0);
}

// The smallest power of two that is not below `value`.
float power_from_above(float value) {
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent);  // in [0.5, 1)
  return std::ldexp(1.0F, std::clamp(fraction > 0.5F ? exponent : exponent - 1, -126, 127));
}

class Rounder {
 public:
  Rounder(const Tensor& weight, const Scheme& scheme, const RoundingOptions& options)
      : weight_(weight),
        scheme_(scheme),
        options_(options),
        codes_(code_range(scheme)),
        // Torch divides in the dtype of the weight; only F32 scales are worth more.
        arithmetic_(scheme.scale_dtype == DType::kF32 ? DType::kF32 : weight.dtype) {
    out_.scheme = scheme;
    out_.rows = weight.shape[0];
    out_.cols = weight.shape[1];
    grid_rows_ = scheme.grid.rows_of(out_.rows, out_.cols);
    grid_cols_ = scheme.grid.cols_of(out_.rows, out_.cols);
    width_ = scheme.grid.block_cols == 0 ? out_.cols : scheme.grid.block_cols;
  }

  Result<QuantizedWeight> run() {
    ranges_.resize(static_cast<std::size_t>(grid_rows_ * grid_cols_));
    scales_.resize(ranges_.size());
    zeros_.resize(ranges_.size());
    if (is_fine_grained(scheme_)) factors_.resize(ranges_.size());
    RQ_CHECK(measure());
    RQ_CHECK(choose_outer());
    for (std::size_t i = 0; i < ranges_.size(); ++i) choose_scale(ranges_[i], i);
    if (options_.search_scale && scheme_.element == Element::kInt) search();
    RQ_CHECK(store_scales());
    RQ_CHECK(store_input_scale());
    RQ_CHECK(round());
    RQ_CHECK(validate(out_));
    return std::move(out_);
  }

 private:
  std::int64_t grid_row_of(std::int64_t row) const {
    return scheme_.grid.block_rows == 0 ? 0 : row / scheme_.grid.block_rows;
  }
  // Calls visit(grid row, first row, last row) for each row of the grid, on several threads.
  template <class Visit>
  void for_grid_rows(const Visit& visit) {
    const std::int64_t height = scheme_.grid.block_rows == 0 ? out_.rows : scheme_.grid.block_rows;
    const auto elements = static_cast<std::size_t>(std::max<std::int64_t>(1, height * out_.cols));
    parallel_for(static_cast<std::size_t>(grid_rows_), kGrain / elements + 1,
                 [&](std::size_t begin, std::size_t end) {
                   for (std::size_t i = begin; i < end; ++i) {
                     const auto at = static_cast<std::int64_t>(i);
                     visit(at, at * height, std::min(out_.rows, (at + 1) * height));
                   }
                 });
  }
  // Calls visit(cell, first column, last column) along one row.
  template <class Visit>
  void for_cells(std::int64_t row, const Visit& visit) const {
    const std::int64_t first_cell = grid_row_of(row) * grid_cols_;
    for (std::int64_t cell = 0; cell < grid_cols_; ++cell) {
      visit(static_cast<std::size_t>(first_cell + cell), static_cast<std::size_t>(cell * width_),
            static_cast<std::size_t>(std::min(out_.cols, (cell + 1) * width_)));
    }
  }

  Result<void> measure() {
    std::vector<std::int64_t> bad(static_cast<std::size_t>(grid_rows_), -1);
    for_grid_rows([&](std::int64_t grid_row, std::int64_t begin, std::int64_t end) {
      std::vector<float> values(static_cast<std::size_t>(out_.cols));
      for (std::int64_t row = begin; row < end; ++row) {
        load_row(weight_, row, values);
        if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) {
          bad[static_cast<std::size_t>(grid_row)] = row;
          return;
        }
        for_cells(row, [&](std::size_t cell, std::size_t first, std::size_t last) {
          Range& range = ranges_[cell];
          for (std::size_t i = first; i < last; ++i) {
            range.low = std::min(range.low, values[i]);
            range.high = std::max(range.high, values[i]);
          }
        });
      }
    });
    const auto first = std::ranges::find_if(bad, [](std::int64_t row) { return row >= 0; });
    if (first == bad.end()) return {};
    return refused(fmt::format("row {} holds NaN or infinity: it cannot be quantised", *first));
  }

  bool outer_divides() const { return scheme_.outer->orientation == Orientation::kDivisor; }

  // One for the whole tensor: the largest inner scale becomes the largest e4m3fn. Integers have
  // their largest code there.
  float outer_scale() const {
    if (scheme_.element == Element::kInt) return codes_.high;
    float magnitude = std::max(std::numeric_limits<float>::min(), options_.shared_magnitude);
    for (const Range& range : ranges_) magnitude = std::max(magnitude, range.magnitude());
    // compressed-tensors divides in the weight's dtype here too, ModelOpt in F32.
    const float outer = outer_divides()
                            ? rounded_to(weight_.dtype, kLargestE4M3 * codes_.high / magnitude)
                            : magnitude / (kLargestE4M3 * codes_.high);
    return std::isfinite(outer) && outer != 0 ? outer : 1;
  }

  Result<void> choose_outer() {
    if (!scheme_.outer) return {};
    const float outer = outer_scale();
    outer_ = outer;
    RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kF32, {1, 1}));
    builder.as<float>()[0] = outer;
    out_.outer_scales = std::move(builder).finish();
    return {};
  }

  // What a stored scale means: with the outer one multiplied in.
  float effective(float scale) const {
    if (!scheme_.outer) return scale;
    return outer_divides() ? scale / outer_ : scale * outer_;
  }

  void choose_scale(const Range& range, std::size_t cell) {
    if (scheme_.outer && scheme_.element == Element::kInt) {
      scales_[cell] = range.magnitude();
      return;
    }
    if (is_fine_grained(scheme_)) {
      choose_fine_grained(range.magnitude(), cell);
      return;
    }
    if (scheme_.scale_dtype == DType::kF8E8M0) {
      const int exponent = e8m0_exponent(range.magnitude(), scheme_.element);
      scales_[cell] = e8m0_to_f32(static_cast<std::uint8_t>(exponent));
      return;
    }
    const bool asymmetric = scheme_.offset == Offset::kZero;
    const float span = codes_.high - codes_.low;
    float scale = asymmetric ? rounded_to(arithmetic_, range.high - range.low) / span
                             : range.magnitude() / (span / 2);
    scale = rounded_to(arithmetic_, scale);
    float zero = 0;
    if (asymmetric && scale > 0) {
      zero = rounded_to(arithmetic_, codes_.low - rounded_to(arithmetic_, range.low / scale));
      zero = std::nearbyint(std::clamp(zero, codes_.low, codes_.high));
    }
    if (scheme_.outer) scale = outer_divides() ? scale * outer_ : scale / outer_;
    scale = rounded_to(scheme_.scale_dtype, scale);
    scales_[cell] = scale == 0 ? epsilon_of(scheme_.scale_dtype) : scale;
    zeros_[cell] = zero;
  }

  // As transformers' writer of fp8 blocks: the scale is the reciprocal of what values are
  // multiplied by (integrations/finegrained_fp8.py@5.17), 1 in a block of zeros.
  void choose_fine_grained(float magnitude, std::size_t cell) {
    const float factor = magnitude > 0 ? codes_.high / magnitude : 1;
    const float scale = 1 / factor;
    const bool is_power = scheme_.scale_dtype == DType::kF8E8M0;
    scales_[cell] = is_power ? power_from_above(scale) : scale;
    factors_[cell] = is_power ? 1 / scales_[cell] : factor;
  }

  float code_of(float value, float scale, float zero) const {
    if (scale == 0) return zero;  // a row of zeros
    const float code = std::clamp(value / scale + zero, codes_.low, codes_.high);
    return scheme_.element == Element::kInt ? std::nearbyint(code) : code;
  }

  double error_of(const std::vector<float>& values, std::size_t first, std::size_t last,
                  std::size_t cell) const {
    const float scale = effective(scales_[cell]);
    double error = 0;
    for (std::size_t i = first; i < last; ++i) {
      const float code = code_of(values[i], scale, zeros_[cell]);
      const double difference =
          static_cast<double>(code - zeros_[cell]) * static_cast<double>(scale) -
          static_cast<double>(values[i]);
      error += difference * difference;
    }
    return error;
  }

  // Tries smaller ranges for each cell, row by row of the grid.
  void search() {
    for_grid_rows([&](std::int64_t, std::int64_t begin, std::int64_t end) {
      std::vector<float> values(static_cast<std::size_t>(out_.cols));
      std::vector<double> best(static_cast<std::size_t>(grid_cols_));
      std::vector<std::pair<float, float>> chosen(best.size());
      const std::size_t first_cell = static_cast<std::size_t>(grid_row_of(begin) * grid_cols_);
      for (int step = 0; step < kSearchSteps; ++step) {
        const float share =
            1 - (1 - kSmallestRange) * static_cast<float>(step) / float{kSearchSteps};
        for (std::size_t cell = first_cell; cell < first_cell + best.size(); ++cell) {
          choose_scale({ranges_[cell].low * share, ranges_[cell].high * share}, cell);
        }
        std::vector<double> errors(best.size());
        for (std::int64_t row = begin; row < end; ++row) {
          load_row(weight_, row, values);
          for_cells(row, [&](std::size_t cell, std::size_t first, std::size_t last) {
            errors[cell - first_cell] += error_of(values, first, last, cell);
          });
        }
        for (std::size_t i = 0; i < best.size(); ++i) {
          if (step > 0 && errors[i] >= best[i]) continue;
          best[i] = errors[i];
          chosen[i] = {scales_[first_cell + i], zeros_[first_cell + i]};
        }
      }
      for (std::size_t i = 0; i < best.size(); ++i) {
        std::tie(scales_[first_cell + i], zeros_[first_cell + i]) = chosen[i];
      }
    });
  }

  Result<void> store_scales() {
    RQ_TRY(TensorBuilder builder,
           TensorBuilder::make(scheme_.scale_dtype, {grid_rows_, grid_cols_}));
    for (std::size_t i = 0; i < scales_.size(); ++i) {
      if (!std::isfinite(scales_[i])) {
        return refused(fmt::format("a scale overflows {}", name_of(scheme_.scale_dtype)));
      }
      put_scale(builder, i);
    }
    out_.scales = std::move(builder).finish();
    if (scheme_.offset != Offset::kZero) return {};
    RQ_TRY(TensorBuilder zeros, TensorBuilder::make(DType::kI16, {grid_rows_, grid_cols_}));
    std::ranges::transform(zeros_, zeros.as<std::int16_t>().begin(),
                           [](float zero) { return static_cast<std::int16_t>(zero); });
    out_.zeros = std::move(zeros).finish();
    return {};
  }

  void put_scale(TensorBuilder& builder, std::size_t i) const {
    switch (scheme_.scale_dtype) {
      case DType::kF32:
        builder.as<float>()[i] = scales_[i];
        break;
      case DType::kBF16:
        builder.as<std::uint16_t>()[i] = f32_to_bf16(scales_[i]);
        break;
      case DType::kF16:
        builder.as<std::uint16_t>()[i] = f32_to_f16(scales_[i]);
        break;
      case DType::kF8E4M3:
        builder.as<std::uint8_t>()[i] = f32_to_e4m3fn(scales_[i]);
        break;
      default:  // E8M0: a power of two, whose exponent is the code
        builder.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(std::ilogb(scales_[i]) + 127);
        break;
    }
  }

  Result<void> store_input_scale() {
    if (options_.input_scale.empty()) return {};
    const bool divides = scheme_.activations.orientation == Orientation::kDivisor;
    if (!divides) {
      out_.input_scale = options_.input_scale;
      return {};
    }
    RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kF32, {1}));
    const auto scale = static_cast<float>(element_as_double(options_.input_scale, 0));
    builder.as<float>()[0] = 1 / scale;
    out_.input_scale = std::move(builder).finish();
    return {};
  }

  Result<void> round() {
    const bool is_int = scheme_.element == Element::kInt;
    RQ_TRY(TensorBuilder builder,
           TensorBuilder::make(is_int ? DType::kI8 : DType::kU8, {out_.rows, out_.cols}));
    auto codes = builder.as<std::uint8_t>();
    for_grid_rows([&](std::int64_t, std::int64_t begin, std::int64_t end) {
      std::vector<float> values(static_cast<std::size_t>(out_.cols));
      for (std::int64_t row = begin; row < end; ++row) {
        load_row(weight_, row, values);
        std::uint8_t* to = codes.data() + row * out_.cols;
        for_cells(row, [&](std::size_t cell, std::size_t first, std::size_t last) {
          const float scale = effective(scales_[cell]);
          for (std::size_t i = first; i < last; ++i) {
            to[i] = is_fine_grained(scheme_)
                        ? bits_of(scheme_.element, values[i] * factors_[cell])
                        : bits_of(scheme_.element, code_of(values[i], scale, zeros_[cell]));
          }
        });
      }
    });
    out_.codes = std::move(builder).finish();
    return {};
  }

  const Tensor& weight_;
  const Scheme& scheme_;
  const RoundingOptions& options_;
  CodeRange codes_;
  DType arithmetic_;
  QuantizedWeight out_;
  std::int64_t grid_rows_ = 0;
  std::int64_t grid_cols_ = 0;
  std::int64_t width_ = 0;  // columns of a cell
  float outer_ = 1;
  std::vector<Range> ranges_;
  std::vector<float> scales_;  // as they will be stored
  std::vector<float> zeros_;
  std::vector<float> factors_;  // of fine-grained schemes: what values are multiplied by
};

bool has_roundable_codes(const Scheme& s) {
  switch (s.element) {
    case Element::kInt:
      return s.bits >= 2 && s.bits <= 8 && !s.is_dense() && s.offset != Offset::kMinimum;
    case Element::kE2M1:
    case Element::kE2M3:
    case Element::kE3M2:
    case Element::kE4M3Fn:
    case Element::kE5M2:
      return s.offset == Offset::kNone;
    default:
      return false;
  }
}

bool has_roundable_scales(const Scheme& s) {
  const bool is_int = s.element == Element::kInt;
  if (!s.outer)
    return is_half_or_single(s.scale_dtype) || (s.scale_dtype == DType::kF8E8M0 && !is_int);
  const bool whole = s.outer->grid.is_tensor() && s.outer->dtype == DType::kF32;
  // LLM.int8: the largest magnitudes of rows, over 127.
  const bool magnitudes = is_int && s.scale_dtype == DType::kF32 && s.offset == Offset::kNone &&
                          s.outer->orientation == Orientation::kDivisor;
  return whole && (is_int ? magnitudes : s.scale_dtype == DType::kF8E4M3);
}

bool can_round(const Scheme& s) {
  return has_roundable_codes(s) && has_roundable_scales(s) && !s.grid.flat && !s.permuted &&
         !s.input_multiplier && s.rotation.empty();
}

}  // namespace

Result<QuantizedWeight> round_to_nearest(const Tensor& weight, const Scheme& scheme,
                                         const RoundingOptions& options) {
  const bool has_codebook = can_round_to_codebook(scheme);
  if (!has_codebook && !can_round(scheme)) {
    return refused("cannot quantise to " + describe(scheme));
  }
  if (scheme.activations.kind == ActivationKind::kStatic && options.input_scale.empty()) {
    return refused("activations are static and have no scale: " + describe(scheme));
  }
  const bool is_float = is_half_or_single(weight.dtype);
  if (!is_float || weight.shape.size() != 2 || weight.elements() == 0) {
    return refused(fmt::format("{} {} cannot be quantised, expected F32, BF16 or F16 [out, in]",
                               name_of(weight.dtype), to_string(weight.shape)));
  }
  if (has_codebook) return round_to_codebook(weight, scheme);
  return Rounder(weight, scheme, options).run();
}

Result<double> squared_error(const Tensor& weight, const QuantizedWeight& quantized) {
  RQ_CHECK(validate(quantized));
  if (weight.shape != Shape{quantized.rows, quantized.cols}) {
    return refused("the weight is " + to_string(weight.shape));
  }
  RowReader reader(quantized);
  std::vector<float> values(static_cast<std::size_t>(quantized.cols));
  double error = 0;
  for (std::int64_t row = 0; row < quantized.rows; ++row) {
    load_row(weight, row, values);
    const auto exact = reader.read(row);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double difference =
          static_cast<double>(nearest_f32(exact[i])) - static_cast<double>(values[i]);
      error += difference * difference;
    }
  }
  return error;
}

}  // namespace requant
