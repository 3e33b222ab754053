#include "codec/direct_gptq.h"

#include <algorithm>

#include "codec/direct_parts.h"
#include "codec/parts.h"
#include "kernel/bits.h"

namespace requant {
namespace {

std::int64_t group_of(const Scheme& scheme, std::int64_t input) {
  return scheme.grid.is_channel() ? 0 : input / scheme.grid.block_cols;
}

bool in_order(const Tensor& g_idx, const Scheme& scheme) {
  std::int64_t input = 0;
  return std::ranges::all_of(g_idx.as<std::int32_t>(), [&](std::int32_t group) {
    return group == group_of(scheme, input++);
  });
}

Result<Tensor> groups_in_order(const Scheme& scheme, std::int64_t cols) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, {cols}));
  std::int64_t input = 0;
  for (std::int32_t& group : out.as<std::int32_t>()) {
    group = static_cast<std::int32_t>(group_of(scheme, input++));
  }
  return std::move(out).finish();
}

// Zero points 0 to 2^b - 1 [groups, out] -> words along out [words, groups].
Result<Tensor> pack_zeros(const std::vector<std::uint8_t>& zeros, int bits, std::int64_t groups) {
  const auto rows = static_cast<std::int64_t>(zeros.size()) / groups;
  RQ_TRY(TensorBuilder words, TensorBuilder::make(DType::kI32, {groups, rows * bits / 32}));
  (void)kernel::pack_bits({.codes = zeros.data(),
                           .rows = groups,
                           .cols = rows,
                           .packed = words.as<std::uint8_t>().data(),
                           .row_bytes = rows * bits / 8,
                           .bits = bits});
  return transpose(std::move(words).finish());
}

// weight_zero_point -> zero points minus 2^(b - 1), I16 [out, groups].
Result<Tensor> unpack_zeros(const Tensor& words, int bits, std::int64_t rows) {
  RQ_TRY(const Tensor turned, transpose(words));
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kI8, {turned.shape[0], rows}));
  kernel::unpack_bits({.packed = turned.as<std::uint8_t>().data(),
                       .row_bytes = 4 * turned.shape[1],
                       .codes = codes.as<std::uint8_t>().data(),
                       .rows = turned.shape[0],
                       .cols = rows,
                       .bits = bits,
                       .bias = 1 << (bits - 1)});
  RQ_TRY(const Tensor zeros, transpose(std::move(codes).finish()));
  return widen_i8(zeros);
}

}  // namespace

Result<std::optional<WeightParts>> gptq_to_ct_pack(const StoredWeight& weight,
                                                   const GptqRules& rules) {
  if (weight.scheme.permuted || !is_as_laid_out(weight, rules.name) ||
      !in_order(weight.parts.at("g_idx"), weight.scheme)) {
    return std::optional<WeightParts>();
  }
  const int bits = weight.scheme.bits;
  const Tensor& scales = weight.parts.at("scales");
  const std::int64_t groups = scales.shape[0];
  const auto zeros =
      gptq_unpack_zeros(rules, bits, weight.parts.at("qzeros").as<std::uint32_t>(),
                        static_cast<std::size_t>(groups), static_cast<std::size_t>(weight.rows));
  const int half = 1 << (bits - 1);
  const bool symmetric = weight.scheme.offset == Offset::kNone;
  if (symmetric && std::ranges::any_of(zeros, [half](int zero) { return zero != half; })) {
    return std::optional<WeightParts>();
  }
  WeightParts parts;
  RQ_TRY(parts["weight_packed"],
         turned_or_found(weight, "weight_packed", weight.parts.at("qweight")));
  RQ_TRY(parts["weight_scale"], transpose(scales));
  RQ_TRY(parts["weight_shape"], shape_part(weight.rows, weight.cols));
  if (!symmetric) {
    RQ_TRY(parts["weight_zero_point"], pack_zeros(zeros, bits, groups));
  }
  return std::optional(std::move(parts));
}

Result<std::optional<WeightParts>> ct_pack_to_gptq(const StoredWeight& weight,
                                                   const GptqRules& rules) {
  const Scheme& scheme = weight.scheme;
  if (scheme.permuted || !gptq_holds(rules, scheme) || !is_as_laid_out(weight, "ct-pack") ||
      !states_its_shape(weight)) {
    return std::optional<WeightParts>();
  }
  const auto specs = gptq_layout(rules, scheme, weight.rows, weight.cols);
  if (!specs) return std::optional<WeightParts>();
  QuantizedWeight zeros;
  zeros.scheme = scheme;
  zeros.rows = weight.rows;
  if (scheme.offset == Offset::kZero) {
    RQ_TRY(zeros.zeros,
           unpack_zeros(weight.parts.at("weight_zero_point"), scheme.bits, weight.rows));
  }
  WeightParts parts;
  RQ_TRY(parts["qweight"], turned_or_found(weight, "qweight", weight.parts.at("weight_packed")));
  RQ_TRY(parts["qzeros"], gptq_pack_zeros(rules, zeros, (*specs)[1].shape));
  RQ_TRY(parts["scales"], transpose(weight.parts.at("weight_scale")));
  RQ_TRY(parts["g_idx"], groups_in_order(scheme, weight.cols));
  return std::optional(std::move(parts));
}

}  // namespace requant
