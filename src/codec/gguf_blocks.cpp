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

}  // namespace requant
