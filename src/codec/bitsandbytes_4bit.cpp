// bitsandbytes nf4 and fp4: blocks of the flattened weight, which ignore rows.
//
//   weight                               U8 [ceil(out x in / 2), 1]  high nibble first; other
//                                        dtypes (bnb_4bit_quant_storage) hold the same bytes
//   weight.absmax                        F32 [blocks], or U8 [blocks] where it is nested
//   weight.quant_map                     F32 [16]
//   weight.nested_absmax                 F32 [ceil(blocks / nested_blocksize)]
//   weight.nested_quant_map              F32 [256]
//   weight.quant_state.bitsandbytes__T   U8: JSON with shape, blocksize, nested_offset; T nf4 | fp4
//
// W = quant_map[nibble] x absmax[block]; nested, absmax is nested_quant_map[absmax] x nested_absmax
// + nested_offset, each step rounded to F32.

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "codec/bitsandbytes_state.h"
#include "codec/codec.h"
#include "codec/parts.h"
#include "kernel/bits.h"
#include "quant/codebook.h"

namespace requant {
namespace {

constexpr std::string_view kState = "weight.quant_state.bitsandbytes__";
constexpr std::int64_t kNestedBlock = 256;
constexpr std::int64_t kCodes = 16;

bool is_flat(const Grid& grid) { return grid.flat && grid.block_cols > 0 && grid.block_rows == 0; }

bool holds(const Scheme& s) {
  const bool plain = !s.outer && s.scale_dtype == DType::kF32;
  const bool nested = s.outer && s.scale_dtype == DType::kU8 && s.outer->dtype == DType::kF32 &&
                      s.outer->orientation == Orientation::kMultiplier && is_flat(s.outer->grid);
  return s.element == Element::kCodebook && s.bits == 4 && is_flat(s.grid) && (plain || nested) &&
         s.offset == Offset::kNone && !s.permuted && !s.input_multiplier && s.rotation.empty() &&
         s.activations.kind == ActivationKind::kNone;
}

const std::pair<const std::string, Tensor>* find_state(const WeightParts& parts) {
  const auto at = parts.lower_bound(kState);
  return at != parts.end() && at->first.starts_with(kState) ? &*at : nullptr;
}

// Bytes of a tensor as its header tells them.
std::optional<std::int64_t> bytes_of(const Tensor& tensor) {
  const auto count = element_count(tensor.shape);
  const auto bytes = count ? byte_size(tensor.dtype, *count) : std::nullopt;
  if (!bytes || *bytes > (std::uint64_t{1} << 62)) return std::nullopt;
  return static_cast<std::int64_t>(*bytes);
}

// The block that makes `values` out of `elements`: the declared one, the usual one, the smallest
// power of two.
std::optional<std::int64_t> block_of(std::int64_t elements, std::int64_t values,
                                     std::int64_t declared, std::int64_t usual) {
  const auto fits = [&](std::int64_t block) {
    return block > 0 && ceil_div(elements, block) == values;
  };
  if (fits(declared)) return declared;
  if (fits(usual)) return usual;
  for (std::int64_t block = 16; block <= (1 << 20); block *= 2) {
    if (fits(block)) return block;
  }
  return std::nullopt;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* absmax = find_part(parts, "weight.absmax");
  if (weight == nullptr || absmax == nullptr || absmax->shape.size() != 1 ||
      find_part(parts, "weight.quant_map") == nullptr || find_state(parts) == nullptr) {
    return std::nullopt;
  }
  const auto bytes = bytes_of(*weight);
  const std::int64_t blocks = absmax->shape[0];
  if (!bytes || blocks < 1) return std::nullopt;
  // "weight.quant_state.bitsandbytes__nf4": other tables have no name here.
  const std::string_view table = std::string_view(find_state(parts)->first).substr(kState.size());
  const auto block = block_of(2 * *bytes, blocks, declared.grid.block_cols, 64);
  if (!block) return std::nullopt;
  Scheme scheme;
  scheme.element = Element::kCodebook;
  scheme.bits = 4;
  if (!codebook_named(table).empty()) scheme.codebook = table;
  scheme.grid = {.block_cols = *block, .flat = true};
  scheme.scale_dtype = absmax->dtype;
  const Tensor* nested = find_part(parts, "weight.nested_absmax");
  if (nested != nullptr && nested->shape.size() == 1) {
    const std::int64_t outer = declared.outer ? declared.outer->grid.block_cols / *block : 0;
    const auto nested_block = block_of(blocks, nested->shape[0], outer, kNestedBlock);
    if (!nested_block) return std::nullopt;
    scheme.outer = OuterScale{.dtype = nested->dtype,
                              .grid = {.block_cols = *block * *nested_block, .flat = true}};
  }
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<void> check_state(const BitsandbytesState& state, const Scheme& scheme) {
  const std::int64_t outer = scheme.outer ? scheme.outer->grid.block_cols : 0;
  if (state.block == scheme.grid.block_cols && state.block * state.nested_block == outer) return {};
  return corrupt(fmt::format("the quant_state has blocks of {} and {}, the tensors {}", state.block,
                             state.nested_block, describe(scheme)));
}

Tensor text_tensor(std::string_view text) {
  auto builder = TensorBuilder::make(DType::kU8, {static_cast<std::int64_t>(text.size())});
  std::ranges::copy(text, builder->as<std::uint8_t>().begin());
  return std::move(*builder).finish();
}

Result<Tensor> unpack(const Tensor& weight, const BitsandbytesState& state) {
  const std::int64_t elements = state.rows * state.cols;  // 2^62 at most
  if (static_cast<std::int64_t>(weight.bytes.size()) != ceil_div(elements, 2)) {
    return unexpected("weight", weight, fmt::format("{} bytes", ceil_div(elements, 2)));
  }
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {state.rows, state.cols}));
  kernel::unpack_bits({.packed = weight.as<std::uint8_t>().data(),
                       .row_bytes = ceil_div(elements, 2),
                       .codes = out.as<std::uint8_t>().data(),
                       .rows = 1,
                       .cols = elements,
                       .bits = 4,
                       .order = kernel::BitOrder::kHighNibble});
  return std::move(out).finish();
}

Result<void> decode_nested(const WeightParts& parts, const BitsandbytesState& state,
                           std::int64_t blocks, QuantizedWeight& out) {
  const std::int64_t count = ceil_div(blocks, state.nested_block);
  RQ_TRY(Tensor outer, require_part(parts, "weight.nested_absmax", DType::kF32, {count}));
  out.outer_scales = relabel(std::move(outer), DType::kF32, {1, count});
  RQ_TRY(out.scale_codebook,
         require_part(parts, "weight.nested_quant_map", DType::kF32, {kNestedBlock}));
  RQ_TRY(TensorBuilder offset, TensorBuilder::make(DType::kF32, {1}));
  offset.as<float>()[0] = state.nested_offset;
  out.scale_offset = std::move(offset).finish();
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("bitsandbytes-4bit does not hold " + describe(scheme));
  const auto* state_part = find_state(parts);
  if (state_part == nullptr) return corrupt("no tensor 'weight.quant_state.bitsandbytes__nf4'");
  RQ_TRY(const Tensor text, require_part(parts, state_part->first));
  RQ_TRY(const BitsandbytesState state, parse_bitsandbytes_state(text));
  RQ_CHECK(check_state(state, scheme));
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = state.rows;
  out.cols = state.cols;
  RQ_TRY(out.codes, unpack(weight, state));
  const std::int64_t blocks = ceil_div(state.rows * state.cols, state.block);
  RQ_TRY(Tensor absmax, require_part(parts, "weight.absmax", scheme.scale_dtype, {blocks}));
  out.scales = relabel(std::move(absmax), scheme.scale_dtype, {1, blocks});
  RQ_TRY(out.codebook, require_part(parts, "weight.quant_map", DType::kF32, {16}));
  if (scheme.outer) RQ_CHECK(decode_nested(parts, state, blocks, out));
  if (!state.dtype.empty()) out.dialect_private["dtype"] = text_tensor(state.dtype);
  RQ_CHECK(validate(out));
  return out;
}

// What the text says of a weight, but for its offset.
BitsandbytesState state_of(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  BitsandbytesState state;
  state.rows = rows;
  state.cols = cols;
  state.block = scheme.grid.block_cols;
  if (scheme.outer) state.nested_block = scheme.outer->grid.block_cols / state.block;
  return state;
}

std::string state_suffix(const Scheme& scheme) { return std::string(kState) + scheme.codebook; }

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme) || scheme.codebook.empty()) {
    return refused("bitsandbytes-4bit does not write " + describe(scheme));
  }
  const std::int64_t blocks = scheme.grid.cols_of(rows, cols);
  const BitsandbytesState state = state_of(scheme, rows, cols);
  const auto length =
      static_cast<std::int64_t>(bitsandbytes_state_text(state, scheme.codebook).size());
  std::vector<PartSpec> specs = {{"weight", DType::kU8, {ceil_div(rows * cols, 2), 1}},
                                 {"weight.absmax", scheme.scale_dtype, {blocks}},
                                 {"weight.quant_map", DType::kF32, {kCodes}},
                                 {state_suffix(scheme), DType::kU8, {length}}};
  if (!scheme.outer) return specs;
  specs.push_back({"weight.nested_absmax", DType::kF32, {ceil_div(blocks, state.nested_block)}});
  specs.push_back({"weight.nested_quant_map", DType::kF32, {kNestedBlock}});
  return specs;
}

Result<Tensor> pack(const Tensor& codes) {
  const auto from = codes.as<std::uint8_t>();
  const auto bytes = static_cast<std::int64_t>((from.size() + 1) / 2);
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {bytes, 1}));
  const auto to = out.as<std::uint8_t>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::uint8_t second = 2 * i + 1 < from.size() ? from[2 * i + 1] & 15 : 0;
    to[i] = static_cast<std::uint8_t>(from[2 * i] << 4 | second);
  }
  return std::move(out).finish();
}

// A table of another length or without a name is another format's.
Result<void> check_tables(const QuantizedWeight& weight) {
  const auto table = codebook_named(weight.scheme.codebook);
  const auto stored = weight.codebook.as<float>();
  if (weight.codebook.shape != Shape{kCodes} || !std::ranges::equal(stored, table)) {
    return refused(fmt::format("the codebook is not bitsandbytes' {}", weight.scheme.codebook));
  }
  if (!weight.scheme.outer) return {};
  if (weight.scale_codebook.shape != Shape{kNestedBlock} || weight.scale_offset.empty()) {
    return refused("nested scales without a table of 256 values and an offset");
  }
  return {};
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  const Scheme& scheme = weight.scheme;
  RQ_TRY(const auto specs, layout(scheme, weight.rows, weight.cols));
  RQ_CHECK(check_tables(weight));
  BitsandbytesState state = state_of(scheme, weight.rows, weight.cols);
  const auto dtype = weight.dialect_private.find("dtype");
  if (dtype != weight.dialect_private.end()) state.dtype = dtype->second.bytes.text();
  WeightParts parts;
  RQ_TRY(parts["weight"], pack(weight.codes));
  parts["weight.absmax"] = relabel(weight.scales, scheme.scale_dtype, specs[1].shape);
  parts["weight.quant_map"] = weight.codebook;
  if (scheme.outer) {
    state.nested_offset = weight.scale_offset.as<float>()[0];
    parts["weight.nested_absmax"] = relabel(weight.outer_scales, DType::kF32, specs[4].shape);
    parts["weight.nested_quant_map"] = weight.scale_codebook;
  }
  parts[specs[3].suffix] = text_tensor(bitsandbytes_state_text(state, scheme.codebook));
  if (parts[specs[3].suffix].shape != specs[3].shape) {
    return refused("the quant_state is longer than it can be");
  }
  return parts;
}

}  // namespace

extern const Codec k_codec_bitsandbytes_4bit;
const Codec k_codec_bitsandbytes_4bit = {
    .name = "bitsandbytes-4bit",
    .long_name = "bitsandbytes nf4 and fp4, nested statistics too",
    .source = "bitsandbytes bitsandbytes/functional.py@0.50.2",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
