#include "kernel/round_as_ggml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/threads.h"
#include "kernel/round_blocks.h"
#include "kernel/round_plain_blocks.h"
#include "quant/codebook.h"
#include "quant/rounding_rule.h"

namespace requant {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 14;  // elements that one thread takes at a time
constexpr std::int64_t kSuperBlock = 256;

struct Searched {
  Scheme scheme;
  kernel::BlockType type;
  bool needs_importance;  // without one there is no search
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

const std::vector<Searched>& searched() {
  using kernel::BlockType;
  constexpr Offset kNone = Offset::kNone;
  constexpr Offset kMinimum = Offset::kMinimum;
  static const std::vector<Searched> all = {
      {super_block(2, 16, kMinimum), BlockType::kQ2K, false},
      {super_block(3, 16, kNone), BlockType::kQ3K, false},
      {super_block(4, 32, kMinimum), BlockType::kQ4K, false},
      {super_block(5, 32, kMinimum), BlockType::kQ5K, false},
      {super_block(6, 16, kNone), BlockType::kQ6K, false},
      {nonlinear(short_block(4, kNone)), BlockType::kIQ4NL, false},
      {nonlinear(super_block(4, 32, kNone)), BlockType::kIQ4XS, false},
      {short_block(4, kNone), BlockType::kQ4_0, true},
      {short_block(4, kMinimum), BlockType::kQ4_1, true},
      {short_block(5, kNone), BlockType::kQ5_0, true},
      {short_block(5, kMinimum), BlockType::kQ5_1, true},
  };
  return all;
}

std::optional<kernel::BlockType> searched_type(const Scheme& scheme, bool has_importance) {
  const auto found = std::ranges::find(searched(), scheme, &Searched::scheme);
  if (found == searched().end() || (found->needs_importance && !has_importance)) {
    return std::nullopt;
  }
  return found->type;
}

Result<void> check_finite(std::span<const float> values, std::size_t row) {
  const auto odd = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (odd == values.end()) return {};
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

void round_plainly(PlainRounding round, const Scheme& scheme, const kernel::RoundBlocks& row) {
  const auto size = static_cast<std::size_t>(scheme.grid.block_cols);
  const auto scale_bytes = static_cast<std::size_t>(info(scheme.scale_dtype).bits) / 8;
  for (std::size_t block = 0; block * size < row.count; ++block) {
    round({.values = {row.values + block * size, size},
           .codes = row.codes + block * size,
           .scale = row.scales + block * scale_bytes,
           .minimum = row.minima == nullptr ? nullptr : row.minima + block * 2});
  }
}

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

bool rounds_as_ggml(const Scheme& scheme) {
  return plain_rounding_of(scheme) != nullptr || searched_type(scheme, false);
}

Result<QuantizedWeight> round_as_ggml(const Tensor& weight, const Scheme& scheme,
                                      std::span<const float> importance) {
  const PlainRounding plain = plain_rounding_of(scheme);
  const auto type = searched_type(scheme, !importance.empty());
  if (!type && plain == nullptr) return not_built_in(scheme);
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
  const auto round_row = [&](std::size_t index, std::span<float> values) -> Result<void> {
    load_f32(weight, index * cols, values);
    RQ_CHECK(check_finite(values, index));
    kernel::RoundBlocks row = rows.at(index);
    row.values = values.data();
    if (!type) {
      round_plainly(plain, scheme, row);
      return {};
    }
    row.to = *type;
    row.importance = importance.empty() ? nullptr : importance.data();
    kernel::round_blocks_kernel().run(row);
    return {};
  };
  const std::size_t piece = kPiece / cols + 1;
  const auto round_piece = [&](std::size_t index) -> Result<void> {
    std::vector<float> values(cols);
    const std::size_t end = std::min(count, (index + 1) * piece);
    for (std::size_t row = index * piece; row < end; ++row) RQ_CHECK(round_row(row, values));
    return {};
  };
  RQ_CHECK(for_each_parallel((count + piece - 1) / piece, round_piece));
  std::move(rows).finish(out);
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace requant
