#include "plan/requantise.h"

#include <vector>

#include "dialect/weight_file.h"
#include "kernel/round_as_ggml.h"
#include "quant/round_to_nearest.h"

namespace requant {
namespace {

// The largest groups, of the size asked for or smaller, that divide the columns.
std::optional<Grid> fitting_grid(const Grid& asked, std::int64_t cols) {
  if (!asked.is_group()) return asked;
  for (std::int64_t size = asked.block_cols; size >= 16; size /= 2) {
    if (cols % size == 0) return Grid::group(size);
    if (size % 2 != 0) break;
  }
  return std::nullopt;
}

// What the name of a scheme leaves open, in the order in which it is tried; scales of `dtype`
// first.
std::vector<Scheme> spellings_of(const SchemeRequest& request, DType dtype) {
  std::vector<Activations> inputs = {request.scheme.activations};
  if (!request.fixes_activations) {
    inputs.push_back(Activations::dynamic_token(request.scheme.element));
    inputs.push_back(Activations::none());
  }
  std::vector<DType> dtypes = {request.scheme.scale_dtype};
  if (request.scheme.scale_dtype == DType::kF32) {
    dtypes = {dtype, DType::kF32, DType::kBF16, DType::kF16};
  }
  std::vector<Scheme> schemes;
  for (const Activations& activations : inputs) {
    for (const DType scale_dtype : dtypes) {
      for (const Orientation orientation : {Orientation::kDivisor, Orientation::kMultiplier}) {
        Scheme scheme = request.scheme;
        scheme.activations = activations;
        scheme.scale_dtype = scale_dtype;
        if (scheme.outer) scheme.outer->orientation = orientation;
        if (needs_input_scale(scheme) && scheme.outer) scheme.activations.orientation = orientation;
        schemes.push_back(scheme);
      }
    }
  }
  const Scheme& asked = request.scheme;
  const bool int8 = asked.element == Element::kInt && asked.bits == 8 && asked.grid.is_channel() &&
                    asked.offset == Offset::kNone;
  if (int8) {  // LLM.int8() stores the largest magnitudes
    Scheme scheme = asked;
    scheme.outer = OuterScale{.orientation = Orientation::kDivisor};
    schemes.push_back(scheme);
  }
  return schemes;
}

}  // namespace

std::optional<Chain> find_requantisation(const Scheme& source, std::int64_t cols, DType dtype,
                                         const Target& target) {
  if (!target.request || !source.rotation.empty()) return std::nullopt;
  const auto grid = fitting_grid(target.request->scheme.grid, cols);
  if (!grid) return std::nullopt;
  const DType usual = target.dialect->scales_are_f32 ? DType::kF32 : dtype;
  for (Scheme scheme : spellings_of(*target.request, usual)) {
    scheme.grid = *grid;
    const bool is_ggml = weight_file_of(*target.dialect) != nullptr;
    if (writer_of(scheme, target) == nullptr || (is_ggml && !rounds_as_ggml(scheme))) continue;
    Chain chain;
    chain.rounds_as_ggml = is_ggml;
    chain.requantises = true;
    chain.result = std::move(scheme);
    if (!source.is_dense()) chain.losses.add(Loss::kRequantise);
    return chain;
  }
  return std::nullopt;
}

bool needs_input_scale(const Scheme& scheme) {
  const Activations& activations = scheme.activations;
  const bool local = activations.kind == ActivationKind::kDynamic &&
                     activations.granularity == Granularity::kGroup && scheme.outer &&
                     scheme.element == Element::kE2M1;
  return activations.kind == ActivationKind::kStatic || local;
}

bool shares_outer_scale(const Scheme& scheme) {
  return scheme.element == Element::kE2M1 && scheme.outer && scheme.outer->grid.is_tensor();
}

Result<Tensor> values_of(const QuantizedWeight& weight) {
  if (weight.scheme.is_dense()) return weight.scales;
  return dequantize(weight);
}

Result<ChainResult> requantise(const Chain& chain, const QuantizedWeight& weight,
                               const RoundingInputs& inputs) {
  ChainResult out;
  RQ_TRY(const Tensor values, values_of(weight));
  if (chain.rounds_as_ggml) {
    RQ_TRY(RoundedAsGgml rounded,
           round_as_ggml(values, chain.result, inputs.importance.as<float>()));
    out.weight = std::move(rounded.weight);
    out.difference = std::move(rounded.difference);
  } else {
    RQ_TRY(out.weight, round_to_nearest(values, chain.result,
                                        {.search_scale = chain.searches_scales,
                                         .shared_magnitude = inputs.shared_magnitude,
                                         .input_scale = inputs.input_scale}));
  }
  // The values of a quantised weight may have been rounded to F32.
  if (!chain.rounds_as_ggml || !weight.scheme.is_dense()) {
    RQ_TRY(out.difference, compare(weight, out.weight));
  }
  out.losses.push_back({.loss = Loss::kRequantise,
                        .codes = out.difference.elements,
                        .max_relative = out.difference.max_relative,
                        .note = {}});
  return out;
}

}  // namespace requant
