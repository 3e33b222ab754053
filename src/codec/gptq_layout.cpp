#include "codec/gptq_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "codec/gptq_word_packing.h"
#include "codec/grid_shape.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

GptqPacking packing_of(const GptqRules& rules) {
  return rules.planar ? GptqPacking::kPlanes : GptqPacking::kStream;
}

bool has_bits(const GptqRules& rules, int bits) {
  return rules.planar ? bits >= 2 && bits <= 8 : bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

// What decode() takes; a v1 zero point of 0 is for encode() to refuse.
bool reads(const GptqRules& rules, const Scheme& s) {
  return s.element == Element::kInt && has_bits(rules, s.bits) &&
         (s.grid.is_group() || s.grid.is_channel()) && !s.is_dense() &&
         (s.scale_dtype == DType::kF16 || s.scale_dtype == DType::kBF16 ||
          s.scale_dtype == DType::kF32) &&
         s.offset != Offset::kMinimum && !s.outer && !s.input_multiplier && s.rotation.empty() &&
         !(s.permuted && (s.grid.is_channel() || rules.in_order)) &&
         s.activations.kind == ActivationKind::kNone;
}

Error not_held(const GptqRules& rules, const Scheme& scheme) {
  return refused(fmt::format("{} does not hold {}", rules.name, describe(scheme)));
}

bool is_matrix(const Tensor* tensor, DType dtype) {
  return tensor != nullptr && tensor->dtype == dtype && tensor->shape.size() == 2 &&
         tensor->shape[0] >= 1 && tensor->shape[0] <= kMaxExtent && tensor->shape[1] >= 1 &&
         tensor->shape[1] <= kMaxExtent;
}

struct Sizes {
  int bits = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t groups = 0;
};

// b from qzeros against scales, in from qweight and b; everything else must agree.
std::optional<Sizes> sizes_of(const GptqRules& rules, const WeightParts& parts) {
  const Tensor* qweight = find_part(parts, "qweight");
  const Tensor* qzeros = find_part(parts, "qzeros");
  const Tensor* scales = find_part(parts, "scales");
  if (scales == nullptr || !is_matrix(qweight, DType::kI32) || !is_matrix(qzeros, DType::kI32) ||
      !is_matrix(scales, scales->dtype)) {
    return std::nullopt;
  }
  Sizes size;
  size.groups = scales->shape[0];
  size.rows = scales->shape[1];
  if (qweight->shape[1] != size.rows || qzeros->shape[0] != size.groups ||
      qzeros->shape[1] > size.rows || qzeros->shape[1] * 32 % size.rows != 0) {
    return std::nullopt;
  }
  size.bits = static_cast<int>(qzeros->shape[1] * 32 / size.rows);
  if (!has_bits(rules, size.bits) || qweight->shape[0] * 32 % size.bits != 0) return std::nullopt;
  size.cols = qweight->shape[0] * 32 / size.bits;
  if (!gptq_packs(packing_of(rules), size.bits, size.cols) ||
      !gptq_packs(packing_of(rules), size.bits, size.rows)) {
    return std::nullopt;
  }
  return size;
}

std::string describe_parts(const WeightParts& parts) {
  std::string text;
  for (const auto& [name, tensor] : parts) {
    text += fmt::format("{}'{}' {} {}", text.empty() ? "" : ", ", name, name_of(tensor.dtype),
                        to_string(tensor.shape));
  }
  return text;
}

// Zero points 0 to 2^b - 1, [groups, out] -----------------------------------------------------

// What GPTQModel adds to each word of v1 zero points; three bits take turns by word. The constants
// for three bits do not fall on the low bits of the fields: its files hold what they give
// (convert_gptq_v2_to_v1_format_module@f4c327a1).
std::uint32_t word_constant(int bits, std::size_t word) {
  static constexpr std::array<std::uint32_t, 3> kThree = {0x24924924, 0x92492492, 0x49249249};
  switch (bits) {
    case 2:
      return 0x55555555;
    case 3:
      return kThree[word % 3];
    case 4:
      return 0x11111111;
    default:
      return 0x01010101;
  }
}

Result<void> decode_zeros(const GptqRules& rules, const WeightParts& parts, QuantizedWeight& out,
                          std::int64_t groups) {
  const int bits = out.scheme.bits;
  const int half = 1 << (bits - 1);
  RQ_TRY(const Tensor qzeros, require_part(parts, "qzeros"));
  const auto rows = static_cast<std::size_t>(out.rows);
  const auto zeros = gptq_unpack_zeros(rules, bits, qzeros.as<std::uint32_t>(),
                                       static_cast<std::size_t>(groups), rows);
  if (out.scheme.offset == Offset::kNone) {
    const auto odd = std::ranges::find_if(zeros, [half](int zero) { return zero != half; });
    if (odd == zeros.end()) return {};
    return corrupt(
        fmt::format("'qzeros' holds a zero point of {}, expected {}: the scheme is "
                    "symmetric",
                    int{*odd}, half));
  }
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kI8, {groups, out.rows}));
  std::ranges::transform(zeros, builder.as<std::int8_t>().begin(),
                         [half](int zero) { return static_cast<std::int8_t>(zero - half); });
  RQ_TRY(const Tensor turned, transpose(std::move(builder).finish()));
  RQ_TRY(out.zeros, widen_i8(turned));
  return {};
}

// g_idx ------------------------------------------------------------------------------------------

std::int64_t plain_group(const QuantizedWeight& w, std::int64_t input) {
  return w.scheme.grid.is_channel() ? 0 : input / w.scheme.grid.block_cols;
}

Result<void> decode_groups(const WeightParts& parts, QuantizedWeight& out, std::int64_t groups) {
  if (find_part(parts, "g_idx") == nullptr) return {};
  RQ_TRY(Tensor g_idx, require_part(parts, "g_idx", DType::kI32, {out.cols}));
  const auto values = g_idx.as<std::int32_t>();
  const bool all_zero = std::ranges::all_of(values, [](std::int32_t group) { return group == 0; });
  for (std::size_t input = 0; input < values.size(); ++input) {
    if (values[input] < 0 || values[input] >= groups) {
      return corrupt(fmt::format("'g_idx' gives input {} group {}, there are {}", input,
                                 values[input], groups));
    }
    const std::int64_t plain = plain_group(out, static_cast<std::int64_t>(input));
    // Some writers left zeros there where nothing reads it.
    if (!out.scheme.permuted && !all_zero && values[input] != plain) {
      return corrupt(
          fmt::format("'g_idx' gives input {} group {}, expected {}: the config says "
                      "that groups are in order",
                      input, values[input], plain));
    }
  }
  if (out.scheme.permuted) out.permutation = std::move(g_idx);
  return {};
}

Result<Tensor> encode_groups(const QuantizedWeight& weight, std::int64_t groups) {
  if (weight.scheme.permuted) {
    const auto [least, most] = std::ranges::minmax(weight.permutation.as<std::int32_t>());
    if (least >= 0 && most < groups) return weight.permutation;
    return refused(fmt::format("'g_idx' would hold {}, there are {} groups",
                               least < 0 ? least : most, groups));
  }
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, {weight.cols}));
  const auto values = out.as<std::int32_t>();
  for (std::size_t input = 0; input < values.size(); ++input) {
    values[input] =
        static_cast<std::int32_t>(plain_group(weight, static_cast<std::int64_t>(input)));
  }
  return std::move(out).finish();
}

}  // namespace

std::vector<std::uint8_t> gptq_unpack_zeros(const GptqRules& rules, int bits,
                                            std::span<const std::uint32_t> stored,
                                            std::size_t groups, std::size_t rows) {
  std::vector<std::uint8_t> zeros(groups * rows);
  const std::size_t in_row = stored.size() / groups;
  std::vector<std::uint32_t> words(in_row);
  for (std::size_t group = 0; group < groups; ++group) {
    std::ranges::copy(stored.subspan(group * in_row, in_row), words.begin());
    if (rules.zeros == GptqZeros::kWordMinusOne) {
      for (std::size_t i = 0; i < in_row; ++i) words[i] += word_constant(bits, i);
    }
    gptq_unpack(packing_of(rules), bits, words, std::span(zeros).subspan(group * rows, rows));
  }
  if (rules.zeros == GptqZeros::kFieldMinusOne) {
    const int mask = (1 << bits) - 1;
    for (std::uint8_t& zero : zeros) zero = static_cast<std::uint8_t>((zero + 1) & mask);
  }
  return zeros;
}

Result<Tensor> gptq_pack_zeros(const GptqRules& rules, const QuantizedWeight& weight,
                               const Shape& shape) {
  const int bits = weight.scheme.bits;
  const int half = 1 << (bits - 1);
  const bool minus_one = rules.zeros == GptqZeros::kFieldMinusOne;
  const auto groups = static_cast<std::size_t>(shape[0]);
  const auto in_row = static_cast<std::size_t>(shape[1]);
  const auto rows = static_cast<std::size_t>(weight.rows);
  const auto zeros = weight.zeros.as<std::int16_t>();
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  std::vector<std::uint8_t> fields(rows);
  for (std::size_t group = 0; group < groups; ++group) {
    for (std::size_t row = 0; row < rows; ++row) {
      const int zero = half + (zeros.empty() ? 0 : zeros[row * groups + group]);
      if (zero < 0 || zero >= 2 * half) {
        return refused(fmt::format("'qzeros' would hold {}, outside {} bits", zero, bits));
      }
      if (minus_one && zero == 0) {
        return refused(
            "'qzeros' would hold a zero point of 0, which readers of GPTQ v1 take for "
            "different numbers; gptq_v2 holds it");
      }
      fields[row] = static_cast<std::uint8_t>(minus_one ? zero - 1 : zero);
    }
    const auto words = out.as<std::uint32_t>().subspan(group * in_row, in_row);
    gptq_pack(packing_of(rules), bits, fields, words);
    if (rules.zeros != GptqZeros::kWordMinusOne) continue;
    for (std::size_t i = 0; i < in_row; ++i) words[i] -= word_constant(bits, i);
  }
  return std::move(out).finish();
}

bool gptq_holds(const GptqRules& rules, const Scheme& scheme) { return reads(rules, scheme); }

std::optional<Scheme> gptq_scheme_of(const GptqRules& rules, const WeightParts& parts,
                                     const Scheme& declared) {
  const auto size = sizes_of(rules, parts);
  if (!size) return std::nullopt;
  const Tensor* g_idx = find_part(parts, "g_idx");
  if (rules.in_order && g_idx != nullptr) return std::nullopt;
  if (g_idx != nullptr && (g_idx->dtype != DType::kI32 || g_idx->shape != Shape{size->cols})) {
    return std::nullopt;
  }
  const auto grid =
      grid_of_shape({size->rows, size->groups}, size->rows, size->cols, declared.grid);
  if (!grid) return std::nullopt;
  Scheme scheme;
  scheme.bits = size->bits;
  scheme.grid = *grid;
  scheme.scale_dtype = find_part(parts, "scales")->dtype;
  // Zero points are always stored; that they are all the same only the config says.
  scheme.offset = declared.offset == Offset::kNone ? Offset::kNone : Offset::kZero;
  scheme.permuted = declared.permuted && g_idx != nullptr && size->groups > 1;
  return reads(rules, scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> gptq_decode(const GptqRules& rules, const WeightParts& parts,
                                    const Scheme& scheme) {
  const auto size = sizes_of(rules, parts);
  if (!size || gptq_scheme_of(rules, parts, scheme) != scheme) {
    return corrupt(fmt::format("{}: expected {} of {}",
                               parts.empty() ? "no tensors" : describe_parts(parts), rules.name,
                               describe(scheme)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = size->rows;
  out.cols = size->cols;
  RQ_TRY(const Tensor qweight, require_part(parts, "qweight"));
  RQ_TRY(const Tensor scales, require_part(parts, "scales"));
  RQ_TRY(out.codes, gptq_unpack_weight(packing_of(rules), size->bits, qweight));
  RQ_TRY(out.scales, transpose(scales));
  RQ_CHECK(decode_zeros(rules, parts, out, size->groups));
  RQ_CHECK(decode_groups(parts, out, size->groups));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> gptq_layout(const GptqRules& rules, const Scheme& scheme,
                                          std::int64_t rows, std::int64_t cols) {
  if (!reads(rules, scheme)) return not_held(rules, scheme);
  if (!gptq_packs(packing_of(rules), scheme.bits, rows) ||
      !gptq_packs(packing_of(rules), scheme.bits, cols)) {
    return refused(fmt::format("{} packs {}-bit codes into whole words of 32 bits, not {} x {}",
                               rules.name, scheme.bits, rows, cols));
  }
  const std::int64_t groups = scheme.grid.cols_of(rows, cols);
  std::vector<PartSpec> specs = {{"qweight", DType::kI32, {cols * scheme.bits / 32, rows}},
                                 {"qzeros", DType::kI32, {groups, rows * scheme.bits / 32}},
                                 {"scales", scheme.scale_dtype, {groups, rows}}};
  if (!rules.in_order) specs.push_back({"g_idx", DType::kI32, {cols}});
  return specs;
}

Result<WeightParts> gptq_encode(const GptqRules& rules, const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, gptq_layout(rules, weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts["qweight"], gptq_pack_weight(packing_of(rules), weight.scheme.bits, weight.codes));
  RQ_TRY(parts["qzeros"], gptq_pack_zeros(rules, weight, specs[1].shape));
  RQ_TRY(parts["scales"], transpose(weight.scales));
  if (rules.in_order) return parts;
  RQ_TRY(parts["g_idx"], encode_groups(weight, specs[2].shape[0]));
  return parts;
}

GptqZeroEvidence gptq_zero_evidence(const Tensor& zeros, int bits) {
  const std::int64_t rows = zeros.shape.size() == 2 ? zeros.shape[1] * 32 / bits : 0;
  const auto half = static_cast<std::uint8_t>(1 << (bits - 1));
  GptqZeroEvidence evidence;
  const auto fields = [&](const GptqRules& rules) {
    if (zeros.empty() || !gptq_packs(packing_of(rules), bits, rows)) {
      return std::vector<std::uint8_t>();
    }
    return gptq_unpack_zeros(rules, bits, zeros.as<std::uint32_t>(),
                             static_cast<std::size_t>(zeros.shape[0]),
                             static_cast<std::size_t>(rows));
  };
  const auto all_half = [&](const GptqRules& rules) {
    const auto values = fields(rules);
    return !values.empty() &&
           std::ranges::all_of(values, [half](std::uint8_t zero) { return zero == half; });
  };
  evidence.symmetric_v1 = all_half({.name = "", .zeros = GptqZeros::kFieldMinusOne});
  evidence.symmetric_v1_words =
      has_bits({}, bits) && all_half({.name = "", .zeros = GptqZeros::kWordMinusOne});
  evidence.symmetric_v2 = all_half({.name = ""});
  evidence.symmetric_planar = all_half({.name = "", .planar = true});
  const auto stored = fields({.name = ""});
  evidence.wraps =
      std::ranges::find(stored, static_cast<std::uint8_t>(2 * half - 1)) != stored.end();
  return evidence;
}

}  // namespace requant
