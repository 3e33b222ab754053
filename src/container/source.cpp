#include <fmt/format.h>

#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "container/container.h"
#include "container/strided.h"
#include "container/tensor_order.h"

namespace requant {
namespace {

// Beside a dimension of 0 the others may claim anything. Within this, a size times a small constant
// fits in 64 bits, which everybody who computes with shapes relies on.
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 40;

Result<void> check_dimensions(const TensorInfo& tensor) {
  for (const std::int64_t size : tensor.shape) {
    if (size <= kMaxDimension) continue;
    return corrupt(
        fmt::format("{}: a dimension of {}, expected at most 2^40", printable(tensor.name), size));
  }
  return {};
}

}  // namespace

Result<Source> Source::make(Parts parts) {
  Source source;
  source.parts_ = std::move(parts);
  auto& tensors = source.parts_.tensors;
  sort_by_name(tensors);
  source.by_name_ = NameIndex(tensors.size());
  const auto name_of = [&](std::uint32_t i) { return std::string_view(tensors[i].name); };
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    RQ_CHECK_IN(check_dimensions(tensors[i]), source.files()[tensors[i].file].label());
    std::uint32_t other = 0;
    if (source.by_name_.insert(tensors[i].name, i, name_of, &other)) continue;
    const auto file_of = [&](std::size_t t) { return source.files()[tensors[t].file].label(); };
    return corrupt(fmt::format("{}: in {} and again in {}", printable(tensors[i].name),
                               file_of(other), file_of(i)));
  }
  return source;
}

std::uint64_t Source::total_bytes() const {
  Checked total(0);
  for (const TensorInfo& tensor : parts_.tensors) total = total + tensor.bytes;
  return total.value().value_or(UINT64_MAX);
}

const TensorInfo* Source::find(std::string_view name) const {
  const auto& tensors = parts_.tensors;
  const std::uint32_t found =
      by_name_.find(name, [&](std::uint32_t i) { return std::string_view(tensors[i].name); });
  return found == NameIndex::kNone ? nullptr : &tensors[found];
}

Result<Tensor> Source::read(const TensorInfo& info) const {
  const File& file = files()[info.file];
  if (!info.strides().empty()) {
    RQ_TRY_IN(Tensor tensor, read_strided(file, info), printable(info.name));
    return tensor;
  }
  RQ_TRY_IN(Bytes bytes, file.read_at(info.offset, info.bytes), printable(info.name));
  RQ_TRY_IN(Tensor tensor, Tensor::make(info.dtype, info.shape, std::move(bytes)),
            file.label() + ": " + printable(info.name));
  return tensor;
}

Result<void> Source::read_bytes(const TensorInfo& info, std::uint64_t begin,
                                std::span<std::byte> out) const {
  const auto end = (Checked(begin) + out.size()).value();
  const auto from = (Checked(info.offset) + begin).value();
  if (!end || *end > info.bytes || !from) {
    return usage(fmt::format("{}: asked for bytes {} to {}, it has {}", printable(info.name), begin,
                             end.value_or(UINT64_MAX), info.bytes));
  }
  RQ_CHECK_IN(files()[info.file].read_at(*from, out), printable(info.name));
  return {};
}

}  // namespace requant
