#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace requant {

// What one stored code is.
enum class Element : std::uint8_t {
  kInt,   // a signed integer of Scheme::bits, in [-2^(bits-1), 2^(bits-1) - 1]; unsigned, in
          // [0, 2^bits - 1], with Offset::kMinimum, which takes the place of the offset
  kE2M1,  // the rest are bit patterns of small floats (tensor/float_formats.h)
  kE2M3,
  kE3M2,
  kE4M3Fn,
  kE4M3Fnuz,
  kE5M2,
  kE5M2Fnuz,
  kCodebook,  // an index into QuantizedWeight::codebook
  kCount
};

struct ElementInfo {
  std::string_view name;  // "int", "e4m3fn"
  int bits;               // 0: given by the scheme
};
const ElementInfo& info(Element element);
inline std::string_view name_of(Element element) { return info(element).name; }

// Which elements of a weight [rows, cols] share one value of a companion tensor (scale, zero ...).
// The companion has ceil(rows / block_rows) x ceil(cols / block_cols) values; the last block of a
// row or column may be ragged.
struct Grid {
  std::int64_t block_rows = 0;  // 0: all rows
  std::int64_t block_cols = 0;  // 0: all columns
  // Blocks of block_cols consecutive elements of the row-major weight, which may cross rows
  // (bitsandbytes); block_rows is not used. One row of values.
  bool flat = false;

  static constexpr Grid tensor() { return {}; }
  static constexpr Grid channel() { return {.block_rows = 1}; }
  static constexpr Grid group(std::int64_t size) { return {.block_rows = 1, .block_cols = size}; }
  static constexpr Grid block(std::int64_t rows, std::int64_t cols) {
    return {.block_rows = rows, .block_cols = cols};
  }
  bool is_tensor() const { return !flat && block_rows == 0 && block_cols == 0; }
  bool is_channel() const { return !flat && block_rows == 1 && block_cols == 0; }
  bool is_group() const { return !flat && block_rows == 1 && block_cols > 0; }

  // Values along rows and columns of a weight [rows, cols].
  std::int64_t rows_of(std::int64_t rows, std::int64_t cols) const;
  std::int64_t cols_of(std::int64_t rows, std::int64_t cols) const;
  // Index of the value for element (row, col).
  std::int64_t index(std::int64_t row, std::int64_t col, std::int64_t rows,
                     std::int64_t cols) const;

  friend bool operator==(const Grid&, const Grid&) = default;
};

// What an offset within a grid cell is.
enum class Offset : std::uint8_t {
  kNone,     // value = code x scale
  kZero,     // value = (code - zero) x scale, zero an integer
  kMinimum,  // value = code x scale + minimum, minimum a float (Q4_1, MLX) or, with an outer scale,
             // an integer times outer_minima (K-quants)
};

// How a stored number takes part in a product. 1/x does not round-trip in F32, so a divisor is kept
// as it was stored.
enum class Orientation : std::uint8_t { kMultiplier, kDivisor };

// A second level of scales: effective scale = scale x outer (or scale / outer).
struct OuterScale {
  DType dtype = DType::kF32;
  Grid grid = {};
  Orientation orientation = Orientation::kMultiplier;
  friend bool operator==(const OuterScale&, const OuterScale&) = default;
};

// What happens to activations at run time.
enum class ActivationKind : std::uint8_t { kNone, kStatic, kDynamic };
enum class Granularity : std::uint8_t { kTensor, kToken, kGroup, kBlock };
std::string_view name_of(Granularity granularity);  // "token"

struct Activations {
  ActivationKind kind = ActivationKind::kNone;
  Element element = Element::kInt;
  int bits = 8;
  Granularity granularity = Granularity::kTensor;
  std::int64_t group = 0;  // for kGroup: inputs that share one scale
  bool symmetric = true;
  Orientation orientation = Orientation::kMultiplier;  // of a static scale
  DType scale_dtype = DType::kF32;                     // as a static scale is stored

  static Activations none() { return {}; }
  static Activations dynamic_token(Element element) {
    return {
        .kind = ActivationKind::kDynamic, .element = element, .granularity = Granularity::kToken};
  }
  static Activations static_tensor(Element element) {
    return {.kind = ActivationKind::kStatic, .element = element};
  }
  // How a static scale is stored does not count.
  friend bool operator==(const Activations& a, const Activations& b) {
    return a.kind == b.kind && a.element == b.element && a.bits == b.bits &&
           a.granularity == b.granularity && a.group == b.group && a.symmetric == b.symmetric &&
           a.orientation == b.orientation;
  }
};

// What the codes of a weight mean. Everything that a format may vary is a field; nothing says
// "awq".
struct Scheme {
  Element element = Element::kInt;
  int bits = 8;    // of one code
  Grid grid = {};  // of scales, zeros and minima
  DType scale_dtype = DType::kF32;
  Offset offset = Offset::kNone;
  std::optional<OuterScale> outer = {};
  bool permuted = false;          // QuantizedWeight::permutation gives each input's group
  bool input_multiplier = false;  // inputs are multiplied by QuantizedWeight::input_multiplier
  DType multiplier_dtype = DType::kBF16;  // of input_multiplier
  std::string rotation = {};              // names a rotation of the inputs; empty: none
  std::string codebook = {};              // names Element::kCodebook's table: "nf4"; empty: no name
  Activations activations = {};

  // A weight that is not quantised, as this form says it: each element its own scale, codes all 1.
  static Scheme dense(DType dtype) {
    Scheme scheme;
    scheme.grid = Grid::block(1, 1);
    scheme.scale_dtype = dtype;
    return scheme;
  }
  bool is_dense() const { return element == Element::kInt && grid == Grid::block(1, 1); }

  friend bool operator==(const Scheme&, const Scheme&) = default;
};

// "int8 per channel, scale F32, activations int8 dynamic per token".
std::string describe(const Scheme& scheme);
// "e4m3fn dynamic per token"; "none".
std::string describe(const Activations& activations);
// "tensor", "channel", "group 128", "block 128x128".
std::string describe(const Grid& grid);

}  // namespace requant
