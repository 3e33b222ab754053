#include "codec/gguf_blocks.h"

#include <fmt/format.h>

#include "base/checked.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

struct Sizes {
  std::int64_t rows = 0;    // of all matrices
  std::int64_t blocks = 0;  // of a row
};

std::optional<Sizes> sizes_of(const GgufType& type, const WeightParts& parts) {
  const Tensor* weight = find_part(parts, "weight");
  if (weight == nullptr || weight->dtype != DType::kU8 || weight->shape.empty()) {
    return std::nullopt;
  }
  Checked rows(1);
  for (const std::int64_t extent : weight->shape) {
    if (extent < 1 || extent > kMaxExtent) return std::nullopt;
  }
  for (std::size_t i = 0; i + 1 < weight->shape.size(); ++i) {
    rows = rows * Checked::from_signed(weight->shape[i]);
  }
  if (!rows.value() || *rows.value() > std::uint64_t{kMaxExtent} ||
      weight->shape.back() % type.bytes != 0) {
    return std::nullopt;
  }
  return Sizes{static_cast<std::int64_t>(*rows.value()), weight->shape.back() / type.bytes};
}

// Tensors that are being filled, and how far apart the parts of two blocks lie in each.
class Filling {
 public:
  static Result<Filling> make(const GgufType& type, const Sizes& sizes, const Tensor& codebook) {
    Filling filling;
    const Scheme scheme = type.scheme();
    const std::int64_t length = codebook.shape.size() == 2 ? codebook.shape[1] : 1;
    const bool wide = scheme.element == Element::kCodebook && scheme.bits > 8;
    const bool is_signed = scheme.element == Element::kInt && scheme.offset != Offset::kMinimum;
    const DType codes = wide ? DType::kU16 : is_signed ? DType::kI8 : DType::kU8;
    RQ_CHECK(filling.add(filling.codes_, codes, sizes, type.elements / length));
    const std::int64_t groups = type.elements / scheme.grid.block_cols;
    RQ_CHECK(filling.add(filling.scales_, scheme.scale_dtype, sizes, groups));
    const bool has_minima = scheme.offset == Offset::kMinimum;
    if (has_minima) {
      const DType minima = scheme.outer ? DType::kI8 : scheme.scale_dtype;
      RQ_CHECK(filling.add(filling.minima_, minima, sizes, groups));
    }
    if (scheme.outer) RQ_CHECK(filling.add(filling.outer_, DType::kF16, sizes, 1));
    if (scheme.outer && has_minima) {
      RQ_CHECK(filling.add(filling.outer_minima_, DType::kF16, sizes, 1));
    }
    filling.wide_ = wide;
    return filling;
  }

  GgufBlock block(std::int64_t index) {
    GgufBlock out;
    if (wide_) {
      out.wide_codes = codes_->values.as<std::uint16_t>().data() + index * codes_->in_block;
    } else {
      out.codes = bytes_of(codes_, index);
    }
    out.scales = bytes_of(scales_, index);
    out.minima = bytes_of(minima_, index);
    out.outer = bytes_of(outer_, index);
    out.outer_minima = bytes_of(outer_minima_, index);
    return out;
  }

  void finish(QuantizedWeight& out) && {
    out.codes = std::move(codes_->values).finish();
    out.scales = std::move(scales_->values).finish();
    if (minima_) out.minima = std::move(minima_->values).finish();
    if (outer_) out.outer_scales = std::move(outer_->values).finish();
    if (outer_minima_) out.outer_minima = std::move(outer_minima_->values).finish();
  }

 private:
  struct Part {
    TensorBuilder values;
    std::int64_t in_block;  // values
    std::int64_t bytes;     // of a block's
  };

  static Result<void> add(std::optional<Part>& part, DType dtype, const Sizes& sizes,
                          std::int64_t in_block) {
    RQ_TRY(TensorBuilder values, TensorBuilder::make(dtype, {sizes.rows, sizes.blocks * in_block}));
    part.emplace(Part{std::move(values), in_block, in_block * info(dtype).bits / 8});
    return {};
  }

  static std::uint8_t* bytes_of(std::optional<Part>& part, std::int64_t index) {
    if (!part) return nullptr;
    return part->values.as<std::uint8_t>().data() + index * part->bytes;
  }

  bool wide_ = false;
  std::optional<Part> codes_, scales_, minima_, outer_, outer_minima_;
};

// The tensor as bytes, for numbers on a grid of the weight; nullptr where it is another's.
Result<const std::uint8_t*> bytes_on(const Tensor& tensor, DType dtype, std::string_view what) {
  if (tensor.dtype == dtype) return tensor.as<std::uint8_t>().data();
  return refused(
      fmt::format("its {} are {}, expected {}", what, name_of(tensor.dtype), name_of(dtype)));
}

// The parts of one block after the other.
class Emptying {
 public:
  static Result<Emptying> make(const GgufType& type, const QuantizedWeight& weight) {
    Emptying emptying;
    const Scheme& scheme = weight.scheme;
    const std::int64_t groups = type.elements / scheme.grid.block_cols;
    const std::int64_t scale_bytes = info(scheme.scale_dtype).bits / 8;
    emptying.at_.codes = weight.codes.as<std::uint8_t>().data();
    emptying.codes_ = type.elements;
    RQ_TRY(emptying.at_.scales, bytes_on(weight.scales, scheme.scale_dtype, "scales"));
    emptying.scales_ = groups * scale_bytes;
    if (scheme.offset == Offset::kMinimum) {
      const DType dtype = scheme.outer ? DType::kI8 : scheme.scale_dtype;
      RQ_TRY(emptying.at_.minima, bytes_on(weight.minima, dtype, "minima"));
      emptying.minima_ = groups * info(dtype).bits / 8;
    }
    if (!scheme.outer) return emptying;
    RQ_TRY(emptying.at_.outer, bytes_on(weight.outer_scales, DType::kF16, "outer scales"));
    if (scheme.offset != Offset::kMinimum) return emptying;
    RQ_TRY(emptying.at_.outer_minima, bytes_on(weight.outer_minima, DType::kF16, "outer minima"));
    return emptying;
  }

  GgufParts next() {
    const GgufParts parts = at_;
    constexpr std::int64_t kHalf = 2;
    at_.codes += codes_;
    at_.scales += scales_;
    if (at_.minima != nullptr) at_.minima += minima_;
    if (at_.outer != nullptr) at_.outer += kHalf;
    if (at_.outer_minima != nullptr) at_.outer_minima += kHalf;
    return parts;
  }

 private:
  GgufParts at_;
  std::int64_t codes_ = 0;  // bytes of a block's
  std::int64_t scales_ = 0;
  std::int64_t minima_ = 0;
};

// Another table under the same name would be another weight.
Result<void> check_codebook(const GgufType& type, const QuantizedWeight& weight) {
  if (type.codebook == nullptr) return {};
  RQ_TRY(const Tensor own, type.codebook());
  if (same_bits(own, weight.codebook)) return {};
  return refused(fmt::format("its codebook is not that of {}", type.long_name));
}

}  // namespace

std::optional<Scheme> scheme_of_gguf(const GgufType& type, const WeightParts& parts) {
  return sizes_of(type, parts) ? std::optional(type.scheme()) : std::nullopt;
}

Result<QuantizedWeight> decode_gguf(const GgufType& type, const WeightParts& parts,
                                    const Scheme& scheme) {
  const auto sizes = sizes_of(type, parts);
  if (!sizes || scheme != type.scheme()) {
    return corrupt(fmt::format("'weight' is not whole blocks of {}", type.long_name));
  }
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = sizes->rows;
  out.cols = sizes->blocks * type.elements;
  if (type.codebook != nullptr) {
    RQ_TRY(out.codebook, type.codebook());
  }
  RQ_TRY(Filling filling, Filling::make(type, *sizes, out.codebook));
  const std::uint8_t* block = weight.as<std::uint8_t>().data();
  const std::int64_t count = sizes->rows * sizes->blocks;
  for (std::int64_t i = 0; i < count; ++i, block += type.bytes) {
    type.split(block, filling.block(i));
  }
  std::move(filling).finish(out);
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> gguf_layout_of(const GgufType& type, std::int64_t rows,
                                             std::int64_t cols) {
  if (rows < 1 || cols < 1 || rows > kMaxExtent || cols > kMaxExtent || cols % type.elements != 0) {
    return refused(fmt::format("rows of {} elements, expected whole blocks of {} for {}", cols,
                               type.elements, type.long_name));
  }
  return std::vector<PartSpec>{{"weight", DType::kU8, {rows, cols / type.elements * type.bytes}}};
}

Result<WeightParts> encode_gguf(const GgufType& type, const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  if (weight.scheme != type.scheme()) {
    return refused(fmt::format("{} cannot hold {}", type.long_name, describe(weight.scheme)));
  }
  RQ_CHECK(check_codebook(type, weight));
  RQ_TRY(const auto specs, gguf_layout_of(type, weight.rows, weight.cols));
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, specs.front().shape));
  RQ_TRY(Emptying parts, Emptying::make(type, weight));
  const std::int64_t blocks = weight.cols / type.elements;
  std::uint8_t* block = out.as<std::uint8_t>().data();
  for (std::int64_t i = 0; i < weight.rows * blocks; ++i, block += type.bytes) {
    if (type.join(parts.next(), block)) continue;
    return refused(fmt::format("[{}, {}]: {} has no room for a code or a scale from here on",
                               i / blocks, i % blocks * type.elements, type.long_name));
  }
  return WeightParts{{"weight", std::move(out).finish()}};
}

}  // namespace requant
