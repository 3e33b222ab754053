#include "codec/direct_awq.h"

#include <algorithm>
#include <cstring>

#include "codec/direct_parts.h"
#include "codec/parts.h"
#include "kernel/awq.h"

namespace requant {
namespace {

constexpr std::int64_t kPack = 8;
constexpr std::byte kSymmetric{0x88};  // two zero points of 8

// Rows of words of eight inputs.
bool has_whole_words(const StoredWeight& weight) {
  return weight.rows % kPack == 0 && weight.cols % kPack == 0;
}

// Eight zero points of a word in AWQ's order -> in order, or back.
Result<Tensor> reorder(const Tensor& words, bool to_plain) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, words.shape));
  std::ranges::transform(
      words.as<std::uint32_t>(), out.as<std::uint32_t>().begin(), [&](std::uint32_t word) {
        std::uint32_t other = 0;
        for (std::int64_t i = 0; i < kPack; ++i) {
          const std::int64_t place = kernel::kAwqOrder[i];
          other |= (word >> (4 * (to_plain ? i : place)) & 0xF) << (4 * (to_plain ? place : i));
        }
        return other;
      });
  return std::move(out).finish();
}

}  // namespace

Result<std::optional<WeightParts>> awq_to_ct_pack(const StoredWeight& weight) {
  if (!is_as_laid_out(weight, "awq-gemm") || !has_whole_words(weight)) {
    return std::optional<WeightParts>();
  }
  const Tensor& zeros = weight.parts.at("qzeros");
  const bool symmetric = weight.scheme.offset == Offset::kNone;
  if (symmetric &&
      std::ranges::any_of(zeros.bytes.span(), [](std::byte b) { return b != kSymmetric; })) {
    return std::optional<WeightParts>();
  }
  const Tensor& words = weight.parts.at("qweight");
  const auto turn = [&](std::uint8_t* rows, bool* differs) {
    kernel::awq_to_rows({.words = words.as<std::uint8_t>().data(),
                         .rows = rows,
                         .inputs = weight.cols,
                         .outputs = weight.rows,
                         .differs = differs});
  };
  WeightParts parts;
  RQ_TRY(parts["weight_packed"],
         written_or_found(
             weight, {"weight_packed", DType::kI32, {weight.rows, weight.cols / kPack}}, turn));
  RQ_TRY(parts["weight_scale"], transpose(weight.parts.at("scales")));
  RQ_TRY(parts["weight_shape"], shape_part(weight.rows, weight.cols));
  if (symmetric) return std::optional(std::move(parts));
  RQ_TRY(const Tensor plain, reorder(zeros, true));
  RQ_TRY(parts["weight_zero_point"], transpose(plain));
  return std::optional(std::move(parts));
}

Result<std::optional<WeightParts>> ct_pack_to_awq(const StoredWeight& weight) {
  if (!find_codec("awq-gemm")->holds(weight.scheme) || !is_as_laid_out(weight, "ct-pack") ||
      !has_whole_words(weight) || !states_its_shape(weight)) {
    return std::optional<WeightParts>();
  }
  const Tensor& packed = weight.parts.at("weight_packed");
  const auto turn = [&](std::uint8_t* words, bool* differs) {
    kernel::rows_to_awq({.rows = packed.as<std::uint8_t>().data(),
                         .words = words,
                         .inputs = weight.cols,
                         .outputs = weight.rows,
                         .differs = differs});
  };
  WeightParts parts;
  RQ_TRY(
      parts["qweight"],
      written_or_found(weight, {"qweight", DType::kI32, {weight.cols, weight.rows / kPack}}, turn));
  RQ_TRY(parts["scales"], transpose(weight.parts.at("weight_scale")));
  if (weight.scheme.offset == Offset::kZero) {
    RQ_TRY(const Tensor turned, transpose(weight.parts.at("weight_zero_point")));
    RQ_TRY(parts["qzeros"], reorder(turned, false));
  } else {
    const std::int64_t groups = parts["scales"].shape[0];
    RQ_TRY(TensorBuilder zeros, TensorBuilder::make(DType::kI32, {groups, weight.rows / kPack}));
    std::ranges::fill(zeros.bytes(), kSymmetric);
    parts["qzeros"] = std::move(zeros).finish();
  }
  return std::optional(std::move(parts));
}

}  // namespace requant
