// compressed-tensors pack-quantized, as written from 0.18 on: codes in one stream of bits
// (codec/ct_packed.h has the tensors).

#include <fmt/format.h>

#include "base/text.h"
#include "codec/bit_stream.h"
#include "codec/codec.h"
#include "codec/ct_packed.h"
#include "codec/ct_parts.h"
#include "codec/parts.h"

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

// Row `row` of a matrix of numbers, or its column where `turned`, as codes without a sign.
class Unsigned {
 public:
  Unsigned(std::string_view name, const Tensor& numbers, int bits, bool turned)
      : name_(name), numbers_(numbers), bits_(bits), turned_(turned) {
    codes_.resize(static_cast<std::size_t>(numbers.shape[turned ? 0 : 1]));
  }

  Result<std::span<const std::uint8_t>> row(std::int64_t row) {
    const std::int64_t cols = numbers_.shape[1];
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const std::int64_t index = turned_ ? at * cols + row : row * cols + at;
      const int number = numbers_.dtype == DType::kI8
                             ? numbers_.as<std::int8_t>()[static_cast<std::size_t>(index)]
                             : numbers_.as<std::int16_t>()[static_cast<std::size_t>(index)];
      const int code = number + (1 << (bits_ - 1));
      if (code < 0 || code >= 1 << bits_) {
        return refused(
            fmt::format("{} would hold {}, outside {} bits", in_quotes(name_), number, bits_));
      }
      codes_[i] = static_cast<std::uint8_t>(code);
    }
    return std::span<const std::uint8_t>(codes_);
  }

 private:
  std::string_view name_;
  const Tensor& numbers_;
  int bits_;
  bool turned_;
  std::vector<std::uint8_t> codes_;
};

Result<Tensor> pack_codes(const Tensor& codes, int bits, const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  const auto width = static_cast<std::size_t>(4 * shape[1]);
  Unsigned reader("weight_packed", codes, bits, false);
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    RQ_TRY(const auto unsigned_codes, reader.row(row));
    pack_stream(unsigned_codes, bits,
                out.as<std::uint8_t>().subspan(static_cast<std::size_t>(row) * width, width));
  }
  return std::move(out).finish();
}

// Zero points [out, groups] -> words [n, groups].
Result<Tensor> pack_zeros(const Tensor& zeros, int bits, const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  const auto height = static_cast<std::size_t>(shape[0]);
  const auto groups = static_cast<std::size_t>(shape[1]);
  RQ_TRY(TensorBuilder column, TensorBuilder::make(DType::kI32, {shape[0]}));
  Unsigned reader("weight_zero_point", zeros, bits, true);
  for (std::size_t group = 0; group < groups; ++group) {
    RQ_TRY(const auto codes, reader.row(static_cast<std::int64_t>(group)));
    pack_stream(codes, bits, column.as<std::uint8_t>());
    for (std::size_t row = 0; row < height; ++row) {
      out.as<std::uint32_t>()[row * groups + group] = column.as<std::uint32_t>()[row];
    }
  }
  return std::move(out).finish();
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
  RQ_TRY(parts["weight_packed"], pack_codes(weight.codes, scheme.bits, specs[0].shape));
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
