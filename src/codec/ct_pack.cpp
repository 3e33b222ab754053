// compressed-tensors pack-quantized, as written from 0.18 on: codes in one stream of bits
// (codec/ct_packed.h has the tensors).

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "codec/codec.h"
#include "codec/ct_packed.h"
#include "codec/ct_parts.h"
#include "codec/parts.h"
#include "kernel/bits.h"

namespace requant {
namespace {

bool holds(const Scheme& scheme) { return holds_ct_packed(scheme, WordFill::kStream); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  return scheme_of_ct_packed(parts, declared, WordFill::kStream);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return decode_ct_packed(parts, scheme, WordFill::kStream);
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("ct-pack does not hold " + describe(scheme));
  if (scheme.grid.is_group() && cols > scheme.grid.block_cols &&
      cols % scheme.grid.block_cols != 0) {
    return refused(
        fmt::format("ct-pack needs whole groups of {}, not {}", scheme.grid.block_cols, cols));
  }
  const Shape grid = ct_grid_shape(scheme.grid, rows, cols);
  const auto words = [&](std::int64_t count) {
    return packed_words(count, scheme.bits, WordFill::kStream);
  };
  std::vector<PartSpec> specs = {{"weight_packed", DType::kI32, {rows, words(cols)}},
                                 {"weight_scale", scheme.scale_dtype, grid},
                                 {"weight_shape", DType::kI64, {2}}};
  if (scheme.offset == Offset::kZero) {
    specs.push_back(scheme.grid.is_tensor()
                        ? PartSpec{"weight_zero_point", DType::kI8, {1}}
                        : PartSpec{"weight_zero_point", DType::kI32, {words(rows), grid[1]}});
  }
  if (scheme.permuted) specs.push_back({"weight_g_idx", DType::kI32, {cols}});
  add_ct_activations(scheme, specs);
  return specs;
}

// I8 codes [rows, cols] -> words.
Result<Tensor> pack_words(std::string_view name, const Tensor& codes, int bits,
                          const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  const int half = 1 << (bits - 1);
  const bool fits = kernel::pack_bits({.codes = codes.as<std::uint8_t>().data(),
                                       .rows = codes.shape[0],
                                       .cols = codes.shape[1],
                                       .packed = out.as<std::uint8_t>().data(),
                                       .row_bytes = 4 * shape[1],
                                       .bits = bits,
                                       .bias = half});
  if (fits) return std::move(out).finish();
  const int misfit = *std::ranges::find_if(
      codes.as<std::int8_t>(), [half](int code) { return code < -half || code >= half; });
  return refused(fmt::format("{} would hold {}, outside {} bits", in_quotes(name), misfit, bits));
}

// Zero points [out, groups] -> words [n, groups].
Result<Tensor> pack_zeros(const Tensor& zeros, int bits, const Shape& shape) {
  constexpr std::string_view kName = "weight_zero_point";
  RQ_TRY(const Tensor codes, narrow_i16(kName, zeros));
  RQ_TRY(const Tensor turned, transpose(codes));
  RQ_TRY(const Tensor words, pack_words(kName, turned, bits, {shape[1], shape[0]}));
  return transpose(words);
}

Result<Tensor> shape_tensor(const QuantizedWeight& weight) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI64, {2}));
  out.as<std::int64_t>()[0] = weight.rows;
  out.as<std::int64_t>()[1] = weight.cols;
  return std::move(out).finish();
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  const Scheme& scheme = weight.scheme;
  RQ_TRY(const auto specs, layout(scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts["weight_packed"],
         pack_words("weight_packed", weight.codes, scheme.bits, specs[0].shape));
  parts["weight_scale"] = relabel(weight.scales, scheme.scale_dtype, specs[1].shape);
  RQ_TRY(parts["weight_shape"], shape_tensor(weight));
  if (scheme.offset == Offset::kZero && scheme.grid.is_tensor()) {
    RQ_TRY(parts["weight_zero_point"], narrow_to_i8("weight_zero_point", weight.zeros, {1}));
  } else if (scheme.offset == Offset::kZero) {
    RQ_TRY(parts["weight_zero_point"], pack_zeros(weight.zeros, scheme.bits, specs[3].shape));
  }
  if (scheme.permuted) parts["weight_g_idx"] = weight.permutation;
  RQ_CHECK(encode_ct_activations(weight, parts));
  return parts;
}

}  // namespace

extern const Codec k_codec_ct_pack;
const Codec k_codec_ct_pack = {
    .name = "ct-pack",
    .long_name = "compressed-tensors pack-quantized, 1 to 8 bits",
    .source = "vllm-project/compressed-tensors compressors/pack_quantized@0.19.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
