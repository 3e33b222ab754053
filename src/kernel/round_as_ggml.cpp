#include "kernel/round_as_ggml.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <vector>

#include "base/threads.h"
#include "kernel/dense.h"
#include "kernel/expand_codes.h"
#include "kernel/round_blocks.h"
#include "kernel/rounding_difference.h"
#include "quant/codebook.h"
#include "quant/rounding_rule.h"

namespace requant {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 14;  // elements that one thread takes at a time
constexpr std::int64_t kSuperBlock = 256;

struct Rounded {
  Scheme scheme;
  kernel::BlockType type;
};

Scheme short_block(int bits, Offset offset) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = DType::kF16;
  scheme.offset = offset;
  return scheme;
}

Scheme super_block(int bits, std::int64_t group, Offset offset) {
  Scheme scheme = short_block(bits, offset);
  scheme.grid = Grid::group(group);
  scheme.scale_dtype = offset == Offset::kMinimum ? DType::kU8 : DType::kI8;
  scheme.outer = OuterScale{.dtype = DType::kF16, .grid = Grid::group(kSuperBlock)};
  return scheme;
}

Scheme nonlinear(Scheme scheme) {
  scheme.element = Element::kCodebook;
  scheme.codebook = "iq4_nl";
  return scheme;
}

Scheme ternary(int bits) {
  Scheme scheme = short_block(bits, Offset::kNone);
  scheme.grid = Grid::group(kSuperBlock);
  return scheme;
}

Scheme mxfp4() {
  Scheme scheme = short_block(4, Offset::kNone);
  scheme.element = Element::kE2M1;
  scheme.scale_dtype = DType::kF8E8M0;
  return scheme;
}

const std::vector<Rounded>& types() {
  using kernel::BlockType;
  constexpr Offset kNone = Offset::kNone;
  constexpr Offset kMinimum = Offset::kMinimum;
  static const std::vector<Rounded> all = {
      {super_block(2, 16, kMinimum), BlockType::kQ2K},
      {super_block(3, 16, kNone), BlockType::kQ3K},
      {super_block(4, 32, kMinimum), BlockType::kQ4K},
      {super_block(5, 32, kMinimum), BlockType::kQ5K},
      {super_block(6, 16, kNone), BlockType::kQ6K},
      {nonlinear(short_block(4, kNone)), BlockType::kIQ4NL},
      {nonlinear(super_block(4, 32, kNone)), BlockType::kIQ4XS},
      {short_block(4, kNone), BlockType::kQ4_0},
      {short_block(4, kMinimum), BlockType::kQ4_1},
      {short_block(5, kNone), BlockType::kQ5_0},
      {short_block(5, kMinimum), BlockType::kQ5_1},
      {short_block(8, kNone), BlockType::kQ8_0},
      {ternary(2), BlockType::kTernary},
      {ternary(3), BlockType::kTernary},
      {mxfp4(), BlockType::kMXFP4},
  };
  return all;
}

std::optional<kernel::BlockType> type_of(const Scheme& scheme) {
  const auto found = std::ranges::find(types(), scheme, &Rounded::scheme);
  return found == types().end() ? std::nullopt : std::optional(found->type);
}

// The row as F32.
void load_row(const Tensor& weight, std::size_t first, std::span<float> values) {
  if (weight.dtype == DType::kF32) return load_f32(weight, first, values);
  const auto form = weight.dtype == DType::kBF16 ? kernel::CodeForm::kBF16 : kernel::CodeForm::kF16;
  kernel::expand_codes_kernel().run({.codes = weight.bytes.data(),
                                     .first = first,
                                     .count = values.size(),
                                     .form = form,
                                     .table = nullptr,
                                     .scale = 1,
                                     .addend = 0,
                                     .out = values.data()});
}

Result<void> check_finite(std::span<const float> values, std::size_t row) {
  std::uint32_t seen = 0;  // the highest bit: an exponent of ones
  for (const float value : values) {
    seen |= (std::bit_cast<std::uint32_t>(value) & 0x7F800000) + 0x00800000;
  }
  if ((seen & 0x80000000) == 0) return {};
  const auto odd = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  return refused(fmt::format("[{}, {}]: the weight is {}", row, odd - values.begin(), *odd));
}

// The tensors of the result, and what one row of each has.
class Rows {
 public:
  static Result<Rows> make(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
    Rows out;
    const bool has_minima = scheme.offset == Offset::kMinimum;
    const bool is_signed = scheme.element == Element::kInt && !has_minima;
    const Shape grid = {rows, cols / scheme.grid.block_cols};
    const Shape outer_grid = {rows, cols / kSuperBlock};
    RQ_CHECK(out.codes_.add(is_signed ? DType::kI8 : DType::kU8, {rows, cols}));
    RQ_CHECK(out.scales_.add(scheme.scale_dtype, grid));
    if (has_minima) RQ_CHECK(out.minima_.add(scheme.outer ? DType::kI8 : DType::kF16, grid));
    if (scheme.outer) RQ_CHECK(out.outer_.add(DType::kF16, outer_grid));
    if (scheme.outer && has_minima) RQ_CHECK(out.outer_minima_.add(DType::kF16, outer_grid));
    return out;
  }

  // A row, with everything but type and values.
  kernel::RoundBlocks at(std::size_t row) {
    return {.to = {},
            .values = nullptr,
            .importance = nullptr,
            .count = codes_.row_bytes,
            .codes = codes_.at(row),
            .scales = scales_.at(row),
            .minima = minima_.at(row),
            .outer = outer_.at(row),
            .outer_minima = outer_minima_.at(row)};
  }

  void finish(QuantizedWeight& out) && {
    out.codes = std::move(codes_).finish();
    out.scales = std::move(scales_).finish();
    out.minima = std::move(minima_).finish();
    out.outer_scales = std::move(outer_).finish();
    out.outer_minima = std::move(outer_minima_).finish();
  }

 private:
  struct Part {
    std::optional<TensorBuilder> values;
    std::size_t row_bytes = 0;

    Result<void> add(DType dtype, Shape shape) {
      const auto rows = static_cast<std::size_t>(shape[0]);
      RQ_TRY(values, TensorBuilder::make(dtype, std::move(shape)));
      row_bytes = values->bytes().size() / rows;
      return {};
    }
    std::uint8_t* at(std::size_t row) {
      return values ? values->as<std::uint8_t>().data() + row * row_bytes : nullptr;
    }
    Tensor finish() && { return values ? std::move(*values).finish() : Tensor{}; }
  };

  Part codes_, scales_, minima_, outer_, outer_minima_;
};

Error not_built_in(const Scheme& scheme) {
  return refused("ggml's way of rounding to " + describe(scheme) + " is not built in");
}

Result<void> check_shape(const Tensor& weight, const Scheme& scheme,
                         std::span<const float> importance) {
  const std::int64_t block = scheme.outer ? kSuperBlock : scheme.grid.block_cols;
  if (weight.shape.size() != 2 || weight.shape[1] % block != 0 ||
      !is_half_or_single(weight.dtype)) {
    return refused(fmt::format("{} {} is not whole blocks of {}", name_of(weight.dtype),
                               to_string(weight.shape), block));
  }
  if (importance.empty() || std::ssize(importance) == weight.shape[1]) return {};
  return refused(fmt::format("{} importances for {} inputs", importance.size(), weight.shape[1]));
}

}  // namespace

bool rounds_as_ggml(const Scheme& scheme) { return type_of(scheme).has_value(); }

Result<RoundedAsGgml> round_as_ggml(const Tensor& weight, const Scheme& scheme,
                                    std::span<const float> importance) {
  const auto type = type_of(scheme);
  if (!type) return not_built_in(scheme);
  RQ_CHECK(check_shape(weight, scheme, importance));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  if (scheme.element == Element::kCodebook) {
    RQ_TRY(out.codebook, iq4_codebook());
  }
  RQ_TRY(Rows rows, Rows::make(scheme, out.rows, out.cols));
  const auto cols = static_cast<std::size_t>(out.cols);
  const auto count = static_cast<std::size_t>(out.rows);
  const RoundingDifference none(scheme, out.cols, out.codebook);
  RoundingDifference difference = none;
  std::mutex mutex;
  const std::size_t piece = kPiece / cols + 1;
  const auto round_piece = [&](std::size_t index) -> Result<void> {
    std::vector<float> values(cols);
    RoundingDifference own = none;
    const std::size_t end = std::min(count, (index + 1) * piece);
    for (std::size_t at = index * piece; at < end; ++at) {
      load_row(weight, at * cols, values);
      RQ_CHECK(check_finite(values, at));
      kernel::RoundBlocks row = rows.at(at);
      row.to = *type;
      row.values = values.data();
      row.importance = importance.empty() ? nullptr : importance.data();
      kernel::round_blocks_kernel().run(row);
      own.add(at, row);
    }
    const std::lock_guard lock(mutex);
    difference.merge(own);
    return {};
  };
  RQ_CHECK(for_each_parallel((count + piece - 1) / piece, round_piece));
  std::move(rows).finish(out);
  RQ_CHECK(validate(out));
  auto found = difference.result();
  if (!found) {
    RQ_TRY(const QuantizedWeight values, kernel::dense_weight(weight));
    RQ_TRY(found, compare(values, out));
  }
  return RoundedAsGgml{std::move(out), *std::move(found)};
}

}  // namespace requant
