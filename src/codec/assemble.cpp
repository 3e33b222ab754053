#include "codec/assemble.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "codec/transform.h"

namespace requant {
namespace {

// Where a row comes from; source -1: padding.
struct Origin {
  std::int64_t source = -1;
  std::int64_t row = 0;
  friend bool operator==(const Origin&, const Origin&) = default;
};

bool fits(std::int64_t first, std::int64_t step, std::int64_t count, std::int64_t extent) {
  return first >= 0 && step >= 1 && count >= 1 && step <= extent && count <= extent / step + 1 &&
         first <= extent - 1 - (count - 1) * step;
}

Result<std::vector<Origin>> origins_of(const Assembly& assembly,
                                       std::span<const WeightForm> sources) {
  std::vector<Origin> origins(static_cast<std::size_t>(assembly.rows));
  for (const RowRun& run : assembly.runs) {
    const bool known = run.source < sources.size() &&
                       fits(run.from, run.from_step, run.count, sources[run.source].rows) &&
                       fits(run.to, run.to_step, run.count, assembly.rows);
    if (!known) return corrupt("rows that the matrices do not have");
    for (std::int64_t i = 0; i < run.count; ++i) {
      origins[static_cast<std::size_t>(run.to + i * run.to_step)] = {
          static_cast<std::int64_t>(run.source), run.from + i * run.from_step};
    }
  }
  return origins;
}

bool is_whole(const Assembly& assembly, std::span<const WeightForm> sources) {
  if (sources.size() != 1 || assembly.runs.size() != 1) return false;
  const RowRun whole{.count = assembly.rows};
  return assembly.runs.front() == whole && sources[0].rows == assembly.rows &&
         sources[0].cols == assembly.cols;
}

// For each row of a grid of the result, the row of the source's grid that it is; nothing where it
// would have to be two of them. A grid of one row has the same values in all sources.
std::optional<std::vector<Origin>> grid_origins(const Grid& grid,
                                                const std::vector<Origin>& origins) {
  const auto rows = static_cast<std::int64_t>(origins.size());
  const std::int64_t block = grid.block_rows == 0 ? rows : grid.block_rows;
  std::vector<Origin> cells(static_cast<std::size_t>((rows + block - 1) / block));
  for (std::int64_t row = 0; row < rows; ++row) {
    Origin origin = origins[static_cast<std::size_t>(row)];
    if (origin.source < 0) continue;
    origin.row = grid.block_rows == 0 ? 0 : origin.row / block;
    Origin& cell = cells[static_cast<std::size_t>(row / block)];
    if (cell.source < 0) cell = origin;
    if (grid.block_rows != 0 && !(cell == origin)) return std::nullopt;
  }
  return cells;
}

// The tallest blocks that no run cuts.
std::int64_t uncut_block(const Assembly& assembly, std::int64_t block) {
  for (const RowRun& run : assembly.runs) {
    if (run.from_step != 1 || run.to_step != 1) return 1;
    for (const std::int64_t cut : {run.from, run.to, run.count}) block = std::gcd(block, cut);
  }
  return block;
}

bool has_padding(const Assembly& assembly, const std::vector<Origin>& origins,
                 std::int64_t source_cols) {
  return assembly.cols != source_cols ||
         std::ranges::any_of(origins, [](const Origin& origin) { return origin.source < 0; });
}

// The bits of 1; nothing where padding would need another number.
std::optional<std::uint32_t> one_in(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 0x3F800000;
    case DType::kF16:
      return 0x3C00;
    case DType::kBF16:
      return 0x3F80;
    case DType::kF8E4M3:
      return 0x38;
    case DType::kF8E8M0:
      return 127;
    default:
      return std::nullopt;
  }
}

Result<void> check_padding(const Scheme& scheme) {
  if (scheme.offset == Offset::kMinimum || !one_in(scheme.scale_dtype)) {
    return refused(describe(scheme) + " cannot be padded with zeros");
  }
  return {};
}

Result<void> check_same(const Assembly& assembly, std::span<const WeightForm> sources) {
  if (sources.empty() || assembly.rows < 1) return corrupt("no matrices to put together");
  for (const WeightForm& source : sources) {
    if (!(source.scheme == sources[0].scheme)) {
      return refused(fmt::format("{} and {} cannot be one matrix", describe(sources[0].scheme),
                                 describe(source.scheme)));
    }
    if (source.cols != sources[0].cols || source.cols > assembly.cols) {
      return corrupt(fmt::format("{} columns, expected {}", source.cols, sources[0].cols));
    }
  }
  return {};
}

// Everything that assemble() needs to know, from headers alone.
struct Layout {
  std::vector<Origin> origins;
  Scheme scheme;
  bool pads = false;
};

Result<Layout> layout_of(const Assembly& assembly, std::span<const WeightForm> sources) {
  RQ_CHECK(check_same(assembly, sources));
  Layout layout;
  RQ_TRY(layout.origins, origins_of(assembly, sources));
  layout.scheme = sources[0].scheme;
  layout.pads = has_padding(assembly, layout.origins, sources[0].cols);
  if (is_whole(assembly, sources)) return layout;
  Grid& grid = layout.scheme.grid;
  if (grid.flat) return refused("blocks of elements that cross rows cannot be cut");
  if (layout.pads) RQ_CHECK(check_padding(layout.scheme));
  if (!grid_origins(grid, layout.origins)) {
    grid.block_rows = uncut_block(assembly, grid.block_rows);
  }
  if (layout.scheme.outer && !grid_origins(layout.scheme.outer->grid, layout.origins)) {
    return refused("the outer scales of " + describe(layout.scheme) + " cannot be cut");
  }
  return layout;
}

class Assembler {
 public:
  Assembler(const Assembly& assembly, const Layout& layout,
            std::span<const QuantizedWeight> sources)
      : assembly_(assembly), layout_(layout), sources_(sources) {}

  Result<QuantizedWeight> run() {
    QuantizedWeight out = sources_[0];  // for what the sources share
    RQ_CHECK(check_shared());
    out.scheme = layout_.scheme;
    out.rows = assembly_.rows;
    out.cols = assembly_.cols;
    const Grid& grid = layout_.scheme.grid;
    const bool is_dense = layout_.scheme.is_dense();
    RQ_TRY(out.scales, on_grid(&QuantizedWeight::scales, grid,
                               is_dense ? 0 : one_in(layout_.scheme.scale_dtype).value_or(0)));
    RQ_TRY(out.zeros, on_grid(&QuantizedWeight::zeros, grid, 0));
    RQ_TRY(out.minima, on_grid(&QuantizedWeight::minima, grid, 0));
    if (layout_.scheme.outer) {
      const Grid& outer = layout_.scheme.outer->grid;
      RQ_TRY(out.outer_scales, on_grid(&QuantizedWeight::outer_scales, outer,
                                       one_in(layout_.scheme.outer->dtype).value_or(0)));
      RQ_TRY(out.outer_minima, on_grid(&QuantizedWeight::outer_minima, outer, 0));
    }
    RQ_TRY(out.codes, codes(out));
    if (layout_.pads) RQ_CHECK(pad_inputs(out));
    RQ_CHECK(validate(out));
    return out;
  }

 private:
  using Part = Tensor QuantizedWeight::*;

  Result<void> check_shared() const {
    struct Shared {
      const char* name;
      Part part;
    };
    static constexpr Shared kShared[] = {
        {"the permutation of the inputs", &QuantizedWeight::permutation},
        {"the factors of the inputs", &QuantizedWeight::input_multiplier},
        {"the scale of the inputs", &QuantizedWeight::input_scale},
        {"the zero point of the inputs", &QuantizedWeight::input_zero},
        {"the codebook", &QuantizedWeight::codebook},
        {"the codebook of the scales", &QuantizedWeight::scale_codebook},
        {"the offset of the scales", &QuantizedWeight::scale_offset}};
    for (const Shared& shared : kShared) RQ_CHECK(check_equal(shared.part, shared.name));
    if (layout_.scheme.grid.block_rows == 0) {
      RQ_CHECK(check_equal(&QuantizedWeight::scales, "the scale"));
      RQ_CHECK(check_equal(&QuantizedWeight::zeros, "the zero point"));
    }
    if (layout_.scheme.outer && layout_.scheme.outer->grid.block_rows == 0) {
      RQ_CHECK(check_equal(&QuantizedWeight::outer_scales, "the outer scale"));
    }
    const bool plain = sources_[0].codebook.shape.size() < 2 && sources_[0].scale_codebook.empty();
    if (!plain) return refused("codes of several elements cannot be cut");
    return {};
  }

  Result<void> check_equal(Part part, const char* name) const {
    for (const QuantizedWeight& source : sources_) {
      if (same_bits(source.*part, sources_[0].*part)) continue;
      return refused(fmt::format(
          "{} is not the same in the matrices that become one; --harmonise-fused makes it so",
          name));
    }
    return {};
  }

  // The cells of a companion tensor, gathered as their rows are; `fill` is what padding has.
  Result<Tensor> on_grid(Part part, const Grid& grid, std::uint32_t fill) const {
    const Tensor& first = sources_[0].*part;
    if (first.empty()) return first;
    const auto cells = grid_origins(grid, layout_.origins);
    if (!cells) return refused("blocks that the matrix cuts");
    const std::int64_t cols = grid.cols_of(assembly_.rows, assembly_.cols);
    const auto width = static_cast<std::size_t>(info(first.dtype).bits / 8);
    RQ_TRY(TensorBuilder out,
           TensorBuilder::make(first.dtype, {static_cast<std::int64_t>(cells->size()), cols}));
    std::byte* to = out.bytes().data();
    for (const Origin& origin : *cells) {
      std::int64_t given = 0;
      if (origin.source >= 0) {
        const Tensor& from = sources_[static_cast<std::size_t>(origin.source)].*part;
        given = from.shape[1];
        const auto bytes = static_cast<std::size_t>(given) * width;
        std::memcpy(to, from.bytes.data() + static_cast<std::size_t>(origin.row) * bytes, bytes);
      }
      for (std::int64_t col = given; col < cols; ++col) {
        std::memcpy(to + static_cast<std::size_t>(col) * width, &fill, width);
      }
      to += static_cast<std::size_t>(cols) * width;
    }
    return std::move(out).finish();
  }

  Result<Tensor> codes(const QuantizedWeight& out) const {
    const auto width = static_cast<std::size_t>(info(sources_[0].codes.dtype).bits / 8);
    const auto given = static_cast<std::size_t>(sources_[0].cols) * width;
    RQ_TRY(TensorBuilder codes,
           TensorBuilder::make(sources_[0].codes.dtype, {assembly_.rows, assembly_.cols}));
    std::byte* to = codes.bytes().data();
    for (const Origin& origin : layout_.origins) {
      if (origin.source >= 0) {
        const Tensor& from = sources_[static_cast<std::size_t>(origin.source)].codes;
        std::memcpy(to, from.bytes.data() + static_cast<std::size_t>(origin.row) * given, given);
      }
      to += static_cast<std::size_t>(assembly_.cols) * width;
    }
    if (layout_.pads) RQ_CHECK(pad_codes(out, codes));
    return std::move(codes).finish();
  }

  Result<void> pad_codes(const QuantizedWeight& out, TensorBuilder& codes) const {
    if (info(sources_[0].codes.dtype).bits != 8) return refused("wide codes cannot be padded");
    const auto bytes = codes.as<std::uint8_t>();
    for (std::int64_t row = 0; row < out.rows; ++row) {
      const bool is_given = layout_.origins[static_cast<std::size_t>(row)].source >= 0;
      for (std::int64_t col = is_given ? sources_[0].cols : 0; col < out.cols; ++col) {
        RQ_TRY(const std::uint8_t code, zero_code(out, row, col));
        bytes[static_cast<std::size_t>(row * out.cols + col)] = code;
      }
    }
    return {};
  }

  // The code whose value is 0 at that place.
  static Result<std::uint8_t> zero_code(const QuantizedWeight& out, std::int64_t row,
                                        std::int64_t col) {
    if (out.scheme.is_dense()) return std::uint8_t{1};  // its scale is the value
    if (out.scheme.element == Element::kCodebook) {
      const auto values = out.codebook.as<float>();
      const auto zero = std::ranges::find(values, 0.0F);
      if (zero == values.end()) return refused("a codebook without 0 cannot be padded");
      return static_cast<std::uint8_t>(zero - values.begin());
    }
    if (out.scheme.offset != Offset::kZero) return std::uint8_t{0};
    const std::int64_t cell = out.scheme.grid.index(row, col, out.rows, out.cols);
    const std::int64_t zero = out.zeros.as<std::int16_t>()[static_cast<std::size_t>(cell)];
    const std::int64_t end = std::int64_t{1} << (out.scheme.bits - 1);
    if (zero < -end || zero >= end) {
      return refused(fmt::format("zero point {} is no code, so padding cannot be 0", zero));
    }
    return static_cast<std::uint8_t>(static_cast<std::int8_t>(zero));
  }

  // What has a value for each input.
  Result<void> pad_inputs(QuantizedWeight& out) const {
    const std::int64_t given = sources_[0].cols;
    if (given == out.cols) return {};
    if (!out.permutation.empty()) {
      RQ_TRY(TensorBuilder wider, TensorBuilder::make(DType::kI32, {out.cols}));
      const auto to = wider.as<std::int32_t>();
      std::ranges::copy(sources_[0].permutation.as<std::int32_t>(), to.begin());
      const std::int64_t block = std::max<std::int64_t>(out.scheme.grid.block_cols, 1);
      for (std::int64_t col = given; col < out.cols; ++col) {
        to[static_cast<std::size_t>(col)] =
            static_cast<std::int32_t>(out.scheme.grid.block_cols == 0 ? 0 : col / block);
      }
      out.permutation = std::move(wider).finish();
    }
    if (out.input_multiplier.empty()) return {};
    const Tensor& factors = sources_[0].input_multiplier;
    const auto one = one_in(factors.dtype);
    if (!one) return refused("the factors of the inputs cannot be padded");
    const auto width = static_cast<std::size_t>(info(factors.dtype).bits / 8);
    RQ_TRY(TensorBuilder wider, TensorBuilder::make(factors.dtype, {out.cols}));
    std::memcpy(wider.bytes().data(), factors.bytes.data(), factors.bytes.size());
    for (std::int64_t col = given; col < out.cols; ++col) {
      std::memcpy(wider.bytes().data() + static_cast<std::size_t>(col) * width, &*one, width);
    }
    out.input_multiplier = std::move(wider).finish();
    return {};
  }

  const Assembly& assembly_;
  const Layout& layout_;
  std::span<const QuantizedWeight> sources_;
};

}  // namespace

Result<Scheme> assembled_scheme(const Assembly& assembly, std::span<const WeightForm> sources) {
  RQ_TRY(Layout layout, layout_of(assembly, sources));
  return std::move(layout.scheme);
}

Result<QuantizedWeight> assemble(const Assembly& assembly,
                                 std::span<const QuantizedWeight> sources) {
  std::vector<WeightForm> forms;
  for (const QuantizedWeight& source : sources) {
    forms.push_back({source.scheme, source.rows, source.cols});
  }
  RQ_TRY(const Layout layout, layout_of(assembly, forms));
  if (is_whole(assembly, forms)) return sources[0];
  std::vector<QuantizedWeight> finer;
  for (const QuantizedWeight& source : sources) {
    RQ_TRY(QuantizedWeight refined, refine_grid(source, layout.scheme.grid));
    finer.push_back(std::move(refined));
  }
  return Assembler(assembly, layout, finer).run();
}

}  // namespace requant
