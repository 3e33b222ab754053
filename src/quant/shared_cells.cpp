#include "quant/shared_cells.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <span>

#include "base/threads.h"
#include "quant/row_reader.h"

namespace requant {
namespace {

constexpr std::size_t kGrain = std::size_t{1} << 18;  // elements that are worth a thread
constexpr std::size_t kBytes = 256;

using Table = std::array<std::array<std::uint8_t, kBytes>, kBytes>;  // by scale, by code

bool is_one_factor(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  return scheme.outer && weight.outer_scales.elements() == 1 && weight.outer_minima.empty() &&
         scheme.offset == Offset::kNone && weight.scale_codebook.empty() &&
         weight.scale_offset.empty() && !scheme.permuted && !scheme.grid.flat;
}

// One of two weights, and what its elements are by scale and code.
class Side {
 public:
  explicit Side(const QuantizedWeight& weight) {
    const bool divides = weight.scheme.outer->orientation == Orientation::kDivisor;
    (divides ? divisor_ : outer_) = element_as_double(weight.outer_scales, 0);
    for (std::size_t bits = 0; bits < kBytes; ++bits) {
      const auto byte = static_cast<std::uint8_t>(bits);
      codes_[bits] = decode_float(weight.scheme.element, byte);
      scales_[bits] = decode_scale(weight.scales.dtype, byte);
    }
  }

  static bool can_read(const QuantizedWeight& weight) {
    const DType scale = weight.scales.dtype;
    return (scale == DType::kF8E4M3 || scale == DType::kF8E8M0) &&
           !std::isnan(decode_float(weight.scheme.element, 0));
  }

  ExactValue value(std::size_t scale, std::size_t code) const {
    ExactValue value = exact_product(codes_[code], scales_[scale], outer_);
    value.divisor = divisor_;
    return value;
  }

 private:
  static double decode_scale(DType dtype, std::uint8_t bits) {
    Tensor one{dtype, {1}, *Bytes::copy_of(std::as_bytes(std::span(&bits, 1)))};
    return element_as_double(one, 0);
  }

  double outer_ = 1;
  double divisor_ = 1;
  std::array<double, kBytes> codes_{};
  std::array<double, kBytes> scales_{};
};

// The cells of two weights of which only one has to be walked through.
class SharedCells {
 public:
  SharedCells(const QuantizedWeight& a, const QuantizedWeight& b)
      : rows_(a.rows),
        cols_(a.cols),
        grid_(a.scheme.grid),
        codes_(a.codes.as<std::uint8_t>()),
        scales_(a.scales.bytes.span()),
        left_(a),
        right_(b) {}

  SharedCellsDifference compare() const {
    const auto seen = look_for_pairs();
    SharedCellsDifference found;
    const auto differs = std::make_unique<Table>();
    for (std::size_t scale = 0; scale < kBytes; ++scale) {
      for (std::size_t code = 0; code < kBytes; ++code) {
        if ((*seen)[scale][code] == 0) continue;
        const ExactValue a = left_.value(scale, code);
        const ExactValue b = right_.value(scale, code);
        const double magnitude = std::fabs(static_cast<double>(nearest_f32(a)));
        if (std::isfinite(magnitude)) found.largest = std::max(found.largest, magnitude);
        if (same_number(a, b)) continue;
        (*differs)[scale][code] = 1;
        found.tally.widen(a, b);
      }
    }
    count(*differs, found.tally);
    return found;
  }

 private:
  template <class Work>
  void for_rows(const Work& work) const {
    parallel_for(static_cast<std::size_t>(rows_), kGrain / static_cast<std::size_t>(cols_) + 1,
                 [&](std::size_t begin, std::size_t end) { work(begin, end); });
  }

  // Calls work(col, end, scale) for the columns [col, end) of each cell of a row.
  template <class Work>
  void for_cells(std::size_t row, const Work& work) const {
    const auto grid_row =
        grid_.block_rows == 0 ? 0 : static_cast<std::int64_t>(row) / grid_.block_rows;
    const std::int64_t size = grid_.block_cols == 0 ? cols_ : grid_.block_cols;
    auto at = static_cast<std::size_t>(grid_row * grid_.cols_of(rows_, cols_));
    for (std::int64_t col = 0; col < cols_; col += size, ++at) {
      work(static_cast<std::size_t>(col), static_cast<std::size_t>(std::min(cols_, col + size)),
           std::to_integer<std::size_t>(scales_[at]));
    }
  }

  const std::uint8_t* row_of(std::size_t row) const {
    return codes_.data() + row * static_cast<std::size_t>(cols_);
  }

  std::unique_ptr<Table> look_for_pairs() const {
    auto all = std::make_unique<Table>();
    std::mutex mutex;
    for_rows([&](std::size_t begin, std::size_t end) {
      const auto seen = std::make_unique<Table>();
      for (std::size_t row = begin; row < end; ++row) {
        const std::uint8_t* codes = row_of(row);
        for_cells(row, [&](std::size_t col, std::size_t cell_end, std::size_t scale) {
          std::uint8_t* of_scale = (*seen)[scale].data();
          for (; col < cell_end; ++col) of_scale[codes[col]] = 1;
        });
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < kBytes * kBytes; ++i) {
        (*all)[i / kBytes][i % kBytes] |= (*seen)[i / kBytes][i % kBytes];
      }
    });
    return all;
  }

  // How many elements differ, and the first of them.
  void count(const Table& differs, Tally& tally) const {
    std::mutex mutex;
    for_rows([&](std::size_t begin, std::size_t end) {
      std::uint64_t different = 0;
      std::size_t first = end;  // row
      for (std::size_t row = begin; row < end; ++row) {
        const std::uint64_t before = different;
        const std::uint8_t* codes = row_of(row);
        for_cells(row, [&](std::size_t col, std::size_t cell_end, std::size_t scale) {
          const std::uint8_t* of_scale = differs[scale].data();
          for (; col < cell_end; ++col) different += of_scale[codes[col]];
        });
        if (before == 0 && different > 0) first = row;
      }
      if (different == 0) return;
      const std::lock_guard lock(mutex);
      if (tally.row < 0 || static_cast<std::int64_t>(first) < tally.row)
        show(differs, first, tally);
      tally.elements += different;
    });
  }

  // The first element of a row that differs.
  void show(const Table& differs, std::size_t row, Tally& tally) const {
    const std::uint8_t* codes = row_of(row);
    bool found = false;
    for_cells(row, [&](std::size_t col, std::size_t end, std::size_t scale) {
      for (; col < end && !found; ++col) {
        if (differs[scale][codes[col]] == 0) continue;
        found = true;
        tally.show(static_cast<std::int64_t>(row), static_cast<std::int64_t>(col),
                   left_.value(scale, codes[col]), right_.value(scale, codes[col]));
      }
    });
  }

  std::int64_t rows_;
  std::int64_t cols_;
  Grid grid_;
  std::span<const std::uint8_t> codes_;
  std::span<const std::byte> scales_;
  Side left_;
  Side right_;
};

}  // namespace

bool share_cells(const QuantizedWeight& a, const QuantizedWeight& b) {
  return is_one_factor(a) && is_one_factor(b) && a.scheme.element == b.scheme.element &&
         a.scheme.grid == b.scheme.grid && Side::can_read(a) && a.codes.dtype == DType::kU8 &&
         a.codes.shape == b.codes.shape && same_bits(a.scales, b.scales) &&
         same_bits(a.codes, b.codes);
}

SharedCellsDifference compare_shared_cells(const QuantizedWeight& a, const QuantizedWeight& b) {
  return SharedCells(a, b).compare();
}

}  // namespace requant
