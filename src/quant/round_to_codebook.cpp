#include "quant/round_to_codebook.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/threads.h"
#include "quant/codebook.h"
#include "quant/rounding_rule.h"

namespace requant {
namespace {

constexpr std::size_t kGrain = 1 << 16;  // elements that are worth a thread
constexpr float kSmallestDivisor = 1e-38F;

// Finds the entry nearest to a value; the lower one where it lies midway.
class Nearest {
 public:
  explicit Nearest(std::span<const float> table) : order_(table.size()) {
    std::iota(order_.begin(), order_.end(), std::uint8_t{0});
    std::ranges::stable_sort(order_, {}, [&](std::uint8_t at) { return table[at]; });
    for (std::size_t i = 1; i < order_.size(); ++i) {
      bounds_.push_back((table[order_[i - 1]] + table[order_[i]]) / 2);
    }
  }
  std::uint8_t operator()(float value) const {
    const auto at = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    return order_[static_cast<std::size_t>(at)];
  }

 private:
  std::vector<std::uint8_t> order_;
  std::vector<float> bounds_;
};

Tensor f32_tensor(std::span<const float> values, Shape shape) {
  auto builder = TensorBuilder::make(DType::kF32, std::move(shape));
  std::ranges::copy(values, builder->as<float>().begin());
  return std::move(*builder).finish();
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// Whole blocks are multiplied by the reciprocal, a ragged last one is divided.
void round_block(std::span<const float> values, bool is_whole, const Nearest& nearest, float absmax,
                 std::span<std::uint8_t> codes) {
  const float divisor = std::max(absmax, kSmallestDivisor);
  const float factor = 1 / divisor;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float scaled = is_whole ? values[i] * factor : values[i] / divisor;
    codes[i] = nearest(std::clamp(scaled, -1.0F, 1.0F));
  }
}

struct Blocks {
  std::vector<float> absmax;
  Tensor codes;
};

Result<Blocks> round_blocks(const Tensor& weight, const Scheme& scheme) {
  const Nearest nearest(codebook_named(scheme.codebook));
  const auto size = static_cast<std::size_t>(scheme.grid.block_cols);
  const auto elements = static_cast<std::size_t>(weight.elements());
  Blocks out;
  out.absmax.resize((elements + size - 1) / size);
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kU8, weight.shape));
  const auto codes = builder.as<std::uint8_t>();
  std::atomic<std::size_t> bad = elements;
  parallel_for(out.absmax.size(), kGrain / size + 1, [&](std::size_t begin, std::size_t end) {
    std::vector<float> space(size);
    for (std::size_t block = begin; block < end; ++block) {
      const std::size_t first = block * size;
      const auto values = std::span(space).first(std::min(size, elements - first));
      load_f32(weight, first, values);
      if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) bad = first;
      const float absmax = largest_magnitude(values);
      const bool is_whole = values.size() == size;
      out.absmax[block] = is_whole ? absmax : std::max(absmax, kSmallestDivisor);
      round_block(values, is_whole, nearest, absmax, codes.subspan(first, values.size()));
    }
  });
  if (bad < elements) {
    return refused(fmt::format("row {} holds NaN or infinity: it cannot be quantised",
                               bad / static_cast<std::size_t>(weight.shape[1])));
  }
  out.codes = std::move(builder).finish();
  return out;
}

// The scales as indices into the dynamic map, in blocks under outer scales of their own.
Result<void> nest(std::span<const float> absmax, QuantizedWeight& out) {
  const auto map = codebook_named("dynamic8");
  const double sum = std::accumulate(absmax.begin(), absmax.end(), 0.0);
  const auto mean = static_cast<float>(sum / static_cast<double>(absmax.size()));
  std::vector<float> rest(absmax.size());
  std::ranges::transform(absmax, rest.begin(), [mean](float value) { return value - mean; });
  const auto size =
      static_cast<std::size_t>(out.scheme.outer->grid.block_cols / out.scheme.grid.block_cols);
  const Nearest nearest(map);
  std::vector<float> outer((rest.size() + size - 1) / size);
  const auto count = static_cast<std::int64_t>(rest.size());
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kU8, {1, count}));
  for (std::size_t block = 0; block < outer.size(); ++block) {
    const std::size_t first = block * size;
    const auto values =
        std::span<const float>(rest).subspan(first, std::min(size, rest.size() - first));
    outer[block] = largest_magnitude(values);
    round_block(values, true, nearest, outer[block],
                codes.as<std::uint8_t>().subspan(first, values.size()));
  }
  out.scales = std::move(codes).finish();
  out.outer_scales = f32_tensor(outer, {1, static_cast<std::int64_t>(outer.size())});
  out.scale_codebook = f32_tensor(map, {static_cast<std::int64_t>(map.size())});
  out.scale_offset = f32_tensor(std::span(&mean, 1), {1});
  return {};
}

Tensor text_tensor(std::string_view text) {
  auto builder = TensorBuilder::make(DType::kU8, {static_cast<std::int64_t>(text.size())});
  std::ranges::copy(text, builder->as<std::uint8_t>().begin());
  return std::move(*builder).finish();
}

bool is_flat(const Grid& grid) { return grid.flat && grid.block_cols > 0; }

}  // namespace

bool can_round_to_codebook(const Scheme& s) {
  const bool plain = !s.outer && s.scale_dtype == DType::kF32;
  const bool nested = s.outer && s.scale_dtype == DType::kU8 && s.outer->dtype == DType::kF32 &&
                      s.outer->orientation == Orientation::kMultiplier && is_flat(s.outer->grid) &&
                      is_flat(s.grid) && s.outer->grid.block_cols % s.grid.block_cols == 0;
  return s.element == Element::kCodebook && s.bits == 4 &&
         codebook_named(s.codebook).size() == 16 && is_flat(s.grid) && (plain || nested) &&
         s.offset == Offset::kNone && !s.permuted && !s.input_multiplier && s.rotation.empty() &&
         s.activations.kind == ActivationKind::kNone;
}

Result<QuantizedWeight> round_to_codebook(const Tensor& weight, const Scheme& scheme) {
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  RQ_TRY(Blocks blocks, round_blocks(weight, scheme));
  const auto count = static_cast<std::int64_t>(blocks.absmax.size());
  out.codes = std::move(blocks.codes);
  out.codebook = f32_tensor(codebook_named(scheme.codebook), {16});
  if (scheme.outer) {
    RQ_CHECK(nest(blocks.absmax, out));
  } else {
    out.scales = f32_tensor(blocks.absmax, {1, count});
  }
  out.dialect_private["dtype"] = text_tensor(torch_name_of(weight.dtype));
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace requant
