#include "codec/ct_mx.h"

#include <fmt/format.h>

#include "codec/ct_parts.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kBlock = 32;

int bits_of(const MxLayout& layout) { return info(layout.element).bits; }

// Bytes that the codes of one block fill.
std::int64_t block_bytes(const MxLayout& layout) { return kBlock * bits_of(layout) / 8; }

Error not_held(const MxLayout& layout, const Scheme& scheme) {
  return refused(fmt::format("{} does not hold {}", layout.codec, describe(scheme)));
}

}  // namespace

bool holds_mx(const MxLayout& layout, const Scheme& s) {
  return s.element == layout.element && s.bits == bits_of(layout) &&
         s.grid == Grid::group(kBlock) && s.scale_dtype == DType::kF8E8M0 &&
         s.offset == Offset::kNone && !s.outer && !s.permuted && !s.input_multiplier &&
         s.rotation.empty() && holds_ct_activations(s.activations);
}

std::optional<Scheme> scheme_of_mx(const MxLayout& layout, const WeightParts& parts,
                                   const Scheme& declared) {
  const Tensor* codes = find_part(parts, layout.part);
  const Tensor* scale = find_part(parts, "weight_scale");
  if (codes == nullptr || scale == nullptr || codes->dtype != layout.dtype ||
      scale->dtype != DType::kU8 || codes->shape.size() != 2 || scale->shape.size() != 2) {
    return std::nullopt;
  }
  const std::int64_t width = codes->shape[1];
  const bool fits = codes->shape[0] >= 1 && codes->shape[0] == scale->shape[0] && width >= 1 &&
                    width % block_bytes(layout) == 0 &&
                    width / block_bytes(layout) == scale->shape[1];
  if (!fits || find_part(parts, "weight_global_scale") != nullptr) return std::nullopt;
  Scheme scheme;
  scheme.element = layout.element;
  scheme.bits = bits_of(layout);
  scheme.grid = Grid::group(kBlock);
  scheme.scale_dtype = DType::kF8E8M0;
  scheme.activations = ct_activations(parts, declared.activations);
  return holds_mx(layout, scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> decode_mx(const MxLayout& layout, const WeightParts& parts,
                                  const Scheme& scheme) {
  if (!holds_mx(layout, scheme)) return not_held(layout, scheme);
  RQ_TRY(const Tensor codes, require_part(parts, layout.part));
  if (codes.dtype != layout.dtype || codes.shape.size() != 2 || codes.bytes.empty() ||
      codes.shape[1] % block_bytes(layout) != 0) {
    return unexpected(
        layout.part, codes,
        fmt::format("{} [out, {} x blocks]", name_of(layout.dtype), block_bytes(layout)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = codes.shape[0];
  const std::int64_t blocks = codes.shape[1] / block_bytes(layout);
  out.cols = blocks * kBlock;
  RQ_TRY(Tensor scale, require_part(parts, "weight_scale", DType::kU8, {out.rows, blocks}));
  out.scales = relabel(std::move(scale), DType::kF8E8M0, {out.rows, blocks});
  if (bits_of(layout) == 8) {
    out.codes = relabel(codes, DType::kU8, codes.shape);
  } else {
    RQ_TRY(out.codes, unpack_codes(codes, out.rows, out.cols, bits_of(layout)));
  }
  RQ_CHECK(decode_ct_activations(parts, out));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> parts_of_mx(const MxLayout& layout, const Scheme& scheme,
                                          std::int64_t rows, std::int64_t cols) {
  if (!holds_mx(layout, scheme)) return not_held(layout, scheme);
  if (cols % kBlock != 0) {
    return refused(fmt::format("{} needs whole blocks of 32, not {}", layout.codec, cols));
  }
  const std::int64_t blocks = cols / kBlock;
  std::vector<PartSpec> specs = {
      {std::string(layout.part), layout.dtype, {rows, blocks * block_bytes(layout)}},
      {"weight_scale", DType::kU8, {rows, blocks}}};
  add_ct_activations(scheme, specs);
  return specs;
}

Result<WeightParts> encode_mx(const MxLayout& layout, const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, parts_of_mx(layout, weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  if (bits_of(layout) == 8) {
    parts[specs[0].suffix] = relabel(weight.codes, layout.dtype, specs[0].shape);
  } else {
    RQ_TRY(parts[specs[0].suffix], pack_codes(weight.codes, bits_of(layout)));
  }
  parts["weight_scale"] = relabel(weight.scales, DType::kU8, specs[1].shape);
  RQ_CHECK(encode_ct_activations(weight, parts));
  return parts;
}

}  // namespace requant
