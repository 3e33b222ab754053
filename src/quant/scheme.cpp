#include "quant/scheme.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "base/checked.h"

namespace requant {
namespace {

constexpr std::array<ElementInfo, static_cast<std::size_t>(Element::kCount)> kElements = {{
    {"int", 0},
    {"e2m1", 4},
    {"e2m3", 6},
    {"e3m2", 6},
    {"e4m3fn", 8},
    {"e4m3fnuz", 8},
    {"e5m2", 8},
    {"e5m2fnuz", 8},
    {"codebook", 0},
}};

// rows x cols, or the largest number: sizes may come from a file.
std::int64_t product(std::int64_t rows, std::int64_t cols) {
  std::int64_t elements = 0;
  if (__builtin_mul_overflow(rows, cols, &elements))
    return std::numeric_limits<std::int64_t>::max();
  return elements;
}

std::int64_t blocks(std::int64_t extent, std::int64_t block) {
  return block == 0 ? 1 : ceil_div(extent, block);
}

// "int8", "codebook4"; "e4m3fn" says its bits itself, and so does the name of a codebook.
std::string describe(Element element, int bits) {
  if (info(element).bits != 0) return std::string(name_of(element));
  return fmt::format("{}{}", name_of(element), bits);
}

std::string describe(const OuterScale& outer) {
  return fmt::format(", outer scale {} per {}{}", name_of(outer.dtype), describe(outer.grid),
                     outer.orientation == Orientation::kDivisor ? " (divisor)" : "");
}

std::string describe_granularity(const Activations& activations) {
  const std::string name(name_of(activations.granularity));
  const bool has_size = activations.granularity == Granularity::kGroup;
  return has_size ? fmt::format("{} {}", name, activations.group) : name;
}

}  // namespace

const ElementInfo& info(Element element) { return kElements[static_cast<std::size_t>(element)]; }

std::string_view name_of(Granularity granularity) {
  switch (granularity) {
    case Granularity::kTensor:
      return "tensor";
    case Granularity::kToken:
      return "token";
    case Granularity::kGroup:
      return "group";
    case Granularity::kBlock:
      return "block";
  }
  return "";
}

std::int64_t Grid::rows_of(std::int64_t rows, std::int64_t) const {
  return flat ? 1 : blocks(rows, block_rows);
}

std::int64_t Grid::cols_of(std::int64_t rows, std::int64_t cols) const {
  return flat ? blocks(product(rows, cols), block_cols) : blocks(cols, block_cols);
}

std::int64_t Grid::index(std::int64_t row, std::int64_t col, std::int64_t rows,
                         std::int64_t cols) const {
  if (flat) return block_cols == 0 ? 0 : (row * cols + col) / block_cols;
  const std::int64_t grid_row = block_rows == 0 ? 0 : row / block_rows;
  const std::int64_t grid_col = block_cols == 0 ? 0 : col / block_cols;
  return grid_row * cols_of(rows, cols) + grid_col;
}

std::string describe(const Grid& grid) {
  if (grid.flat) return fmt::format("flat {}", grid.block_cols);
  if (grid.is_tensor()) return "tensor";
  if (grid.is_channel()) return "channel";
  if (grid.is_group()) return fmt::format("group {}", grid.block_cols);
  const auto side = [](std::int64_t size) {
    return size == 0 ? std::string("all") : std::to_string(size);
  };
  return fmt::format("block {}x{}", side(grid.block_rows), side(grid.block_cols));
}

std::string describe(const Activations& activations) {
  if (activations.kind == ActivationKind::kNone) return "none";
  return fmt::format("{} {} per {}{}", describe(activations.element, activations.bits),
                     activations.kind == ActivationKind::kStatic ? "static" : "dynamic",
                     describe_granularity(activations),
                     activations.symmetric ? "" : ", asymmetric");
}

std::string describe(const Scheme& scheme) {
  if (scheme.is_dense()) return fmt::format("dense {}", name_of(scheme.scale_dtype));
  const std::string codes =
      scheme.codebook.empty() ? describe(scheme.element, scheme.bits) : scheme.codebook;
  std::string text =
      fmt::format("{} per {}, scale {}", codes, describe(scheme.grid), name_of(scheme.scale_dtype));
  if (scheme.offset == Offset::kZero) text += ", zero points";
  if (scheme.offset == Offset::kMinimum) text += ", minima";
  if (scheme.outer) text += describe(*scheme.outer);
  if (scheme.permuted) text += ", permuted inputs";
  if (scheme.input_multiplier) text += ", input multiplier";
  if (!scheme.rotation.empty()) text += ", rotation " + scheme.rotation;
  if (scheme.activations.kind != ActivationKind::kNone) {
    text += ", activations " + describe(scheme.activations);
  }
  return text;
}

}  // namespace requant
