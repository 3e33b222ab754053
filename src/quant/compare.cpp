#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/threads.h"
#include "quant/paired_cells.h"
#include "quant/plain_rows.h"
#include "quant/quantized_weight.h"
#include "quant/row_reader.h"
#include "quant/shared_cells.h"
#include "quant/tally.h"

namespace requant {
namespace {

constexpr std::size_t kGrain = std::size_t{1} << 16;  // elements that are worth a thread

Difference differs(std::string what) {
  Difference difference;
  difference.equal = false;
  difference.first = std::move(what);
  return difference;
}

// Equal numbers, whatever the dtype.
bool same_values(const Tensor& a, const Tensor& b) {
  if (same_bits(a, b)) return true;
  if (a.empty() || b.empty() || a.elements() != b.elements()) return false;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    if (element_as_double(a, i) != element_as_double(b, i)) return false;
  }
  return true;
}

bool same_activation_scale(const QuantizedWeight& a, const QuantizedWeight& b) {
  if (a.input_scale.empty() != b.input_scale.empty()) return false;
  if (a.input_scale.empty()) return true;
  if (a.scheme.activations.orientation == b.scheme.activations.orientation) {
    return same_values(a.input_scale, b.input_scale);
  }
  // A factor and a divisor: exact, two floats of 24 bits.
  return element_as_double(a.input_scale, 0) * element_as_double(b.input_scale, 0) == 1;
}

bool same_activations(const QuantizedWeight& a, const QuantizedWeight& b) {
  Activations left = a.scheme.activations;
  Activations right = b.scheme.activations;
  if (left.kind == ActivationKind::kNone && right.kind == ActivationKind::kNone) return true;
  left.orientation = right.orientation = Orientation::kMultiplier;
  return left == right && same_activation_scale(a, b) && same_values(a.input_zero, b.input_zero);
}

// True for the permutation that changes nothing.
bool in_order(const QuantizedWeight& w) {
  const std::int64_t block = w.scheme.grid.block_cols;
  for (std::int64_t col = 0; col < w.cols; ++col) {
    const auto group = static_cast<std::int64_t>(element_as_double(w.permutation, col));
    if (group != (block == 0 ? 0 : col / block)) return false;
  }
  return true;
}

bool same_permutation(const QuantizedWeight& a, const QuantizedWeight& b) {
  const bool a_permutes = a.scheme.permuted && !in_order(a);
  const bool b_permutes = b.scheme.permuted && !in_order(b);
  if (!a_permutes && !b_permutes) return true;
  return a_permutes && b_permutes && a.scheme.grid == b.scheme.grid &&
         same_bits(a.permutation, b.permutation);
}

// What differs beside the values; empty when nothing does.
std::string companion_difference(const QuantizedWeight& a, const QuantizedWeight& b) {
  if (a.rows != b.rows || a.cols != b.cols) {
    return fmt::format("[{}, {}] against [{}, {}]", a.rows, a.cols, b.rows, b.cols);
  }
  if (!same_activations(a, b)) {
    const std::string left = describe(a.scheme.activations);
    const std::string right = describe(b.scheme.activations);
    return left == right ? "the static activation scale"
                         : fmt::format("activations {} against {}", left, right);
  }
  if (!same_permutation(a, b)) return "the permutation of the inputs";
  if (!same_values(a.input_multiplier, b.input_multiplier)) return "the input multiplier";
  if (a.scheme.rotation != b.scheme.rotation) {
    return fmt::format("rotation '{}' against '{}'", a.scheme.rotation, b.scheme.rotation);
  }
  return {};
}

bool same_coding(const QuantizedWeight& a, const QuantizedWeight& b) {
  return a.scheme.element == b.scheme.element && a.codes.dtype == b.codes.dtype &&
         a.codes.shape == b.codes.shape && same_bits(a.codebook, b.codebook);
}

// The same bits mean the same values. Free where the tensors share memory.
bool same_value_bits(const QuantizedWeight& a, const QuantizedWeight& b) {
  return same_coding(a, b) && a.scheme.grid == b.scheme.grid && a.scheme.outer == b.scheme.outer &&
         same_bits(a.scales, b.scales) && same_bits(a.zeros, b.zeros) &&
         same_bits(a.minima, b.minima) && same_bits(a.outer_scales, b.outer_scales) &&
         same_bits(a.outer_minima, b.outer_minima) &&
         same_bits(a.scale_codebook, b.scale_codebook) &&
         same_bits(a.scale_offset, b.scale_offset) && same_bits(a.permutation, b.permutation) &&
         same_bits(a.codes, b.codes);
}

// Compares the rows [begin, end) of two weights. Rows of the same codes and the same cells are
// equal without looking at their values.
class RowComparer {
 public:
  RowComparer(const QuantizedWeight& a, const QuantizedWeight& b)
      : a_(a), b_(b), left_(a), right_(b), by_bytes_(same_coding(a, b)) {}

  Tally compare(std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (!same_row_bits(row)) compare_row(row);
    }
    return tally_;
  }

 private:
  bool same_row_bits(std::int64_t row) {
    if (!by_bytes_) return false;
    const std::size_t stride = a_.codes.bytes.size() / static_cast<std::size_t>(a_.rows);
    const std::size_t start = static_cast<std::size_t>(row) * stride;
    if (std::memcmp(a_.codes.bytes.data() + start, b_.codes.bytes.data() + start, stride) != 0) {
      return false;
    }
    const auto a = left_.cells(row);
    const auto b = right_.cells(row);
    return std::ranges::equal(a, b) &&
           std::ranges::equal(left_.cell_of_column(), right_.cell_of_column());
  }

  void compare_row(std::int64_t row) {
    left_.cells(row);
    right_.cells(row);
    if (left_.bytes(row).empty() || right_.bytes(row).empty()) return compare_each(row);
    for (std::int64_t col = 0, end = 0; col < a_.cols; col = end) {
      end = std::min(left_.end_of_cell(col), right_.end_of_cell(col));
      compare_cell(row, col, end, known_.of(left_.cell(col), right_.cell(col)));
    }
  }

  // Columns [begin, end) of one cell each.
  void compare_cell(std::int64_t row, std::int64_t begin, std::int64_t end,
                    PairedCells::Seen& seen) {
    using Kept = PairedCells::Seen::Kept;
    const auto* codes_a = left_.bytes(row).data();
    const auto* codes_b = right_.bytes(row).data();
    std::uint64_t different = 0;
    for (std::int64_t col = begin; col < end; ++col) {
      const Kept differs = seen.find(codes_a[col], codes_b[col]);
      different += differs == Kept::kTrue ? 1 : 0;
      if (differs == Kept::kNothing) seen.keep(codes_a[col], codes_b[col], look(row, col));
    }
    tally_.elements += different;
  }

  void compare_each(std::int64_t row) {
    for (std::int64_t col = 0; col < a_.cols; ++col) look(row, col);
  }

  // Whether the two differ there.
  bool look(std::int64_t row, std::int64_t col) {
    const ExactValue a = left_.value(row, col);
    const ExactValue b = right_.value(row, col);
    if (same_number(a, b)) return false;
    tally_.add(row, col, a, b);
    return true;
  }

  const QuantizedWeight& a_;
  const QuantizedWeight& b_;
  RowReader left_;
  RowReader right_;
  PairedCells known_;
  bool by_bytes_;
  Tally tally_;
};

// The same of two weights whose values are doubles.
class PlainComparer {
 public:
  PlainComparer(const QuantizedWeight& a, const QuantizedWeight& b)
      : left_(a), right_(b), cols_(a.cols) {}

  Tally compare(std::int64_t begin, std::int64_t end) const {
    Tally tally;
    std::vector<double> a(static_cast<std::size_t>(cols_));
    std::vector<double> b(a.size());
    for (std::int64_t row = begin; row < end; ++row) {
      left_.read(row, a);
      right_.read(row, b);
      compare_row(row, a, b, tally);
    }
    return tally;
  }

 private:
  static void compare_row(std::int64_t row, std::span<const double> a, std::span<const double> b,
                          Tally& tally) {
    std::uint64_t elements = 0;
    double max_absolute = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      elements += a[i] != b[i] ? 1 : 0;
      max_absolute = std::max(max_absolute, std::fabs(a[i] - b[i]));
    }
    if (elements == 0) return;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto x = static_cast<float>(a[i]);
      const auto y = static_cast<float>(b[i]);
      if (a[i] != b[i] && tally.row < 0) {
        tally.row = row;
        tally.col = static_cast<std::int64_t>(i);
        tally.left = x;
        tally.right = y;
      }
      tally.max_ulp = std::max(tally.max_ulp, ulps(x, y));
    }
    tally.elements += elements;
    tally.max_absolute = std::max(tally.max_absolute, max_absolute);
  }

  PlainRows left_;
  PlainRows right_;
  std::int64_t cols_;
};

template <class Work>
void for_rows(const QuantizedWeight& weight, const Work& work) {
  parallel_for(static_cast<std::size_t>(weight.rows),
               kGrain / static_cast<std::size_t>(weight.cols) + 1,
               [&](std::size_t begin, std::size_t end) {
                 work(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
               });
}

Tally compare_values(const QuantizedWeight& a, const QuantizedWeight& b) {
  std::mutex mutex;
  Tally all;
  const bool is_plain = PlainRows::can_read(a) && PlainRows::can_read(b);
  for_rows(a, [&](std::int64_t begin, std::int64_t end) {
    const Tally part =
        is_plain ? PlainComparer(a, b).compare(begin, end) : RowComparer(a, b).compare(begin, end);
    const std::lock_guard lock(mutex);
    all.merge(part);
  });
  return all;
}

// The largest magnitude of rows, each pair of a cell and a code looked at once.
class LargestMagnitude {
 public:
  explicit LargestMagnitude(const QuantizedWeight& weight) : cols_(weight.cols), reader_(weight) {}

  void add(std::int64_t row) {
    reader_.cells(row);
    const auto codes = reader_.bytes(row);
    if (codes.empty()) {
      for (std::int64_t col = 0; col < cols_; ++col) look(row, col);
      return;
    }
    for (std::int64_t col = 0, end = 0; col < cols_; col = end) {
      end = reader_.end_of_cell(col);
      PairedCells::Seen& seen = known_.of(reader_.cell(col), reader_.cell(col));
      for (std::int64_t each = col; each < end; ++each) {
        const std::uint8_t code = codes[static_cast<std::size_t>(each)];
        if (seen.find(code, code) != PairedCells::Seen::Kept::kNothing) continue;
        seen.keep(code, code, true);
        look(row, each);
      }
    }
  }
  double result() const { return largest_; }

 private:
  void look(std::int64_t row, std::int64_t col) {
    const double value = std::fabs(static_cast<double>(nearest_f32(reader_.value(row, col))));
    if (std::isfinite(value)) largest_ = std::max(largest_, value);
  }

  std::int64_t cols_;
  RowReader reader_;
  PairedCells known_;
  double largest_ = 0;
};

double largest_of_plain_rows(const QuantizedWeight& weight, std::int64_t begin, std::int64_t end) {
  const PlainRows rows(weight);
  std::vector<double> values(static_cast<std::size_t>(weight.cols));
  double largest = 0;
  for (std::int64_t row = begin; row < end; ++row) {
    rows.read(row, values);
    for (const double value : values) largest = std::max(largest, std::fabs(value));
  }
  return static_cast<double>(static_cast<float>(largest));
}

double largest_of_rows(const QuantizedWeight& weight, std::int64_t begin, std::int64_t end) {
  LargestMagnitude largest(weight);
  for (std::int64_t row = begin; row < end; ++row) largest.add(row);
  return largest.result();
}

double largest_magnitude(const QuantizedWeight& weight) {
  std::mutex mutex;
  double all = 0;
  const bool is_plain = PlainRows::can_read(weight);
  for_rows(weight, [&](std::int64_t begin, std::int64_t end) {
    const double part =
        is_plain ? largest_of_plain_rows(weight, begin, end) : largest_of_rows(weight, begin, end);
    const std::lock_guard lock(mutex);
    all = std::max(all, part);
  });
  return all;
}

struct Compared {
  Tally tally;
  double largest = 0;  // magnitude of the first weight; not looked for where nothing differs
};

Compared compare_each_value(const QuantizedWeight& a, const QuantizedWeight& b) {
  if (share_cells(a, b)) {
    const SharedCellsDifference found = compare_shared_cells(a, b);
    return {.tally = found.tally, .largest = found.largest};
  }
  Compared compared{.tally = compare_values(a, b)};
  if (compared.tally.elements > 0) compared.largest = largest_magnitude(a);
  return compared;
}

}  // namespace

Result<Difference> compare(const QuantizedWeight& a, const QuantizedWeight& b) {
  RQ_CHECK_IN(validate(a), "first weight");
  RQ_CHECK_IN(validate(b), "second weight");
  std::string companion = companion_difference(a, b);
  if (a.rows != b.rows || a.cols != b.cols) return differs(std::move(companion));
  Difference difference = companion.empty() ? Difference{} : differs(std::move(companion));
  if (same_value_bits(a, b)) return difference;
  const Compared compared = compare_each_value(a, b);
  const Tally& tally = compared.tally;
  if (tally.elements == 0) return difference;
  difference.equal = false;
  if (!difference.first.empty()) difference.first += "; ";
  difference.first +=
      fmt::format("[{}, {}]: {} against {}", tally.row, tally.col, tally.left, tally.right);
  difference.elements = tally.elements;
  difference.max_ulp = tally.max_ulp;
  difference.max_relative = compared.largest > 0 ? tally.max_absolute / compared.largest : HUGE_VAL;
  return difference;
}

}  // namespace requant
