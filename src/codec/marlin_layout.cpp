#include "codec/marlin_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "codec/grid_shape.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kTile = 16;
constexpr std::int64_t kGroup = 128;
constexpr std::size_t kRun = 1024;     // codes that are permuted together: four tiles
constexpr std::int64_t kOutputs = 64;  // of four tiles, and scales that are permuted together
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

// Entry i of a permuted run is entry kOrder[i] of the four tiles
// (auto_gptq/nn_modules/qlinear/qlinear_marlin.py _get_perms@0.7.1).
constexpr std::array<std::uint16_t, kRun> kOrder = [] {
  constexpr std::size_t kInterleave[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  std::array<std::uint16_t, kRun> order{};
  std::size_t next = 0;
  for (std::size_t thread = 0; thread < 32; ++thread) {
    std::array<std::size_t, 8> entries{};
    std::size_t count = 0;
    for (std::size_t half = 0; half < 2; ++half) {
      const std::size_t first = 2 * (thread % 4);
      for (const std::size_t row : {first, first + 1, first + 8, first + 9}) {
        entries[count++] = 16 * row + thread / 4 + 8 * half;
      }
    }
    for (std::size_t tile = 0; tile < 4; ++tile) {
      for (const std::size_t entry : kInterleave) {
        order[next++] = static_cast<std::uint16_t>(entries[entry] + 256 * tile);
      }
    }
  }
  return order;
}();

// The same for the 64 scales of groups, and for 32 where a row has one scale.
constexpr std::array<std::uint8_t, 64> kGroupOrder = [] {
  std::array<std::uint8_t, 64> order{};
  for (std::size_t i = 0; i < 64; ++i) order[i] = static_cast<std::uint8_t>(8 * (i % 8) + i / 8);
  return order;
}();
constexpr std::array<std::uint8_t, 32> kChannelOrder = [] {
  constexpr std::uint8_t kSteps[8] = {0, 1, 8, 9, 16, 17, 24, 25};
  std::array<std::uint8_t, 32> order{};
  for (std::size_t i = 0; i < 32; ++i) {
    order[i] = static_cast<std::uint8_t>(2 * (i / 8) + kSteps[i % 8]);
  }
  return order;
}();

struct Sizes {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t groups = 0;
};

bool fits(std::int64_t rows, std::int64_t cols) {
  return rows >= kOutputs && rows % kOutputs == 0 && cols >= kTile && cols % kTile == 0;
}

std::optional<Sizes> sizes_of(const MarlinNames& names, const WeightParts& parts) {
  const Tensor* codes = find_part(parts, names.codes);
  const Tensor* scales = find_part(parts, names.scales);
  if (codes == nullptr || scales == nullptr || codes->dtype != DType::kI32 ||
      scales->dtype != DType::kF16 || codes->shape.size() != 2 || scales->shape.size() != 2 ||
      find_part(parts, "qzeros") != nullptr) {
    return std::nullopt;
  }
  if (codes->shape[0] < 1 || codes->shape[0] > kMaxExtent) return std::nullopt;
  Sizes size = {
      .rows = scales->shape[1], .cols = codes->shape[0] * kTile, .groups = scales->shape[0]};
  if (size.rows > kMaxExtent || !fits(size.rows, size.cols) || codes->shape[1] != 2 * size.rows) {
    return std::nullopt;
  }
  return size;
}

// Where entry `entry` of run `run` of a row of tiles lies: (input within the tile, output).
std::pair<std::int64_t, std::int64_t> place_of(std::int64_t run, std::size_t entry) {
  const std::int64_t at = kOrder[entry];
  return {at % 256 / kTile, run * kOutputs + at / 256 * kTile + at % kTile};
}

Result<Tensor> unpack(const Tensor& words, const Sizes& size) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {size.rows, size.cols}));
  auto* codes = out.as<std::int8_t>().data();
  const auto* word = words.as<std::uint32_t>().data();
  for (std::int64_t input = 0; input < size.cols; input += kTile) {
    for (std::int64_t run = 0; run < size.rows / kOutputs; ++run) {
      for (std::size_t entry = 0; entry < kRun; ++entry) {
        const auto [in_tile, output] = place_of(run, entry);
        const std::uint32_t nibble = word[entry / 8] >> (4 * (entry % 8)) & 0xF;
        codes[output * size.cols + input + in_tile] =
            static_cast<std::int8_t>(static_cast<int>(nibble) - 8);
      }
      word += kRun / 8;
    }
  }
  return std::move(out).finish();
}

Result<Tensor> pack(std::string_view name, const Tensor& codes, const Shape& shape) {
  const auto values = codes.as<std::int8_t>();
  const auto misfit =
      std::ranges::find_if(values, [](std::int8_t code) { return code < -8 || code > 7; });
  if (misfit != values.end()) {
    return refused(fmt::format("'{}' would hold {}, outside 4 bits", name, *misfit + 8));
  }
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  const std::int64_t rows = codes.shape[0];
  const std::int64_t cols = codes.shape[1];
  auto* word = out.as<std::uint32_t>().data();
  for (std::int64_t input = 0; input < cols; input += kTile) {
    for (std::int64_t run = 0; run < rows / kOutputs; ++run) {
      std::fill_n(word, kRun / 8, 0U);
      for (std::size_t entry = 0; entry < kRun; ++entry) {
        const auto [in_tile, output] = place_of(run, entry);
        const int code = values[static_cast<std::size_t>(output * cols + input + in_tile)] + 8;
        word[entry / 8] |= static_cast<std::uint32_t>(code) << (4 * (entry % 8));
      }
      word += kRun / 8;
    }
  }
  return std::move(out).finish();
}

// Scales in the kernel's order -> in order, or back.
Result<Tensor> reorder_scales(const Tensor& scales, bool undo) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(scales.dtype, scales.shape));
  const bool whole = scales.shape[0] == 1;
  const std::size_t run = whole ? kChannelOrder.size() : kGroupOrder.size();
  const auto from = scales.as<std::uint16_t>();
  const auto to = out.as<std::uint16_t>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t place = whole ? kChannelOrder[i % run] : kGroupOrder[i % run];
    const std::size_t other = i / run * run + place;
    if (undo) {
      to[other] = from[i];
    } else {
      to[i] = from[other];
    }
  }
  return std::move(out).finish();
}

Error not_held(const MarlinNames& names, const Scheme& scheme) {
  return refused(fmt::format("{} does not hold {}", names.codec, describe(scheme)));
}

}  // namespace

bool marlin_holds(const Scheme& s) {
  return s.element == Element::kInt && s.bits == 4 &&
         (s.grid == Grid::group(kGroup) || s.grid.is_channel()) && s.scale_dtype == DType::kF16 &&
         s.offset == Offset::kNone && !s.outer && !s.permuted && !s.input_multiplier &&
         s.rotation.empty() && s.activations.kind == ActivationKind::kNone;
}

std::optional<Scheme> marlin_scheme_of(const MarlinNames& names, const WeightParts& parts,
                                       const Scheme& declared) {
  const auto size = sizes_of(names, parts);
  if (!size) return std::nullopt;
  const auto grid =
      grid_of_shape({size->rows, size->groups}, size->rows, size->cols, declared.grid);
  if (!grid) return std::nullopt;
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = *grid;
  scheme.scale_dtype = DType::kF16;
  return marlin_holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> marlin_decode(const MarlinNames& names, const WeightParts& parts,
                                      const Scheme& scheme) {
  const auto size = sizes_of(names, parts);
  if (!size || marlin_scheme_of(names, parts, scheme) != scheme) {
    return corrupt(fmt::format("'{}' and '{}' are not those of {} as {} has it", names.codes,
                               names.scales, describe(scheme), names.codec));
  }
  RQ_TRY(const Tensor words, require_part(parts, names.codes));
  RQ_TRY(const Tensor scales, require_part(parts, names.scales));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = size->rows;
  out.cols = size->cols;
  RQ_TRY(out.codes, unpack(words, *size));
  RQ_TRY(const Tensor in_order, reorder_scales(scales, true));
  RQ_TRY(out.scales, transpose(in_order));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> marlin_layout(const MarlinNames& names, const Scheme& scheme,
                                            std::int64_t rows, std::int64_t cols) {
  if (!marlin_holds(scheme)) return not_held(names, scheme);
  const std::int64_t groups = scheme.grid.cols_of(rows, cols);
  if (!fits(rows, cols) || (groups > 1 && cols % kGroup != 0)) {
    return refused(
        fmt::format("{} needs outputs by 64 and inputs by 16 in whole groups, not {} x "
                    "{}",
                    names.codec, rows, cols));
  }
  return std::vector<PartSpec>{{std::string(names.codes), DType::kI32, {cols / kTile, 2 * rows}},
                               {std::string(names.scales), DType::kF16, {groups, rows}}};
}

Result<WeightParts> marlin_encode(const MarlinNames& names, const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, marlin_layout(names, weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts[specs[0].suffix], pack(names.codes, weight.codes, specs[0].shape));
  RQ_TRY(const Tensor scales, transpose(weight.scales));
  RQ_TRY(parts[specs[1].suffix], reorder_scales(scales, false));
  return parts;
}

}  // namespace requant
