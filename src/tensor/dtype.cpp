#include "tensor/dtype.h"

#include <array>
#include <utility>

#include "base/checked.h"

namespace requant {
namespace {

constexpr std::array<DTypeInfo, static_cast<std::size_t>(DType::kCount)> kDTypes = {{
    {"U64", 64},    {"I64", 64},        {"F64", 64},        {"C64", 64},    {"F32", 32},
    {"U32", 32},    {"I32", 32},        {"BF16", 16},       {"F16", 16},    {"U16", 16},
    {"I16", 16},    {"F8_E5M2FNUZ", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E8M0", 8}, {"F8_E4M3", 8},
    {"F8_E5M2", 8}, {"I8", 8},          {"U8", 8},          {"F6_E3M2", 6}, {"F6_E2M3", 6},
    {"F4", 4},      {"BOOL", 8},
}};

constexpr std::pair<std::string_view, DType> kTorchNames[] = {
    {"float32", DType::kF32}, {"float16", DType::kF16}, {"bfloat16", DType::kBF16},
    {"float64", DType::kF64}, {"float", DType::kF32},   {"half", DType::kF16},
};

}  // namespace

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

std::optional<DType> dtype_named(std::string_view safetensors_name) {
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (kDTypes[i].name == safetensors_name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::optional<DType> dtype_of_torch(std::string_view torch_name) {
  if (torch_name.starts_with("torch.")) torch_name.remove_prefix(6);
  for (const auto& [name, dtype] : kTorchNames) {
    if (name == torch_name) return dtype;
  }
  return std::nullopt;
}

std::string_view torch_name_of(DType dtype) {
  for (const auto& [name, candidate] : kTorchNames) {
    if (candidate == dtype) return name;
  }
  return {};
}

std::optional<std::uint64_t> byte_size(DType dtype, std::uint64_t elements) {
  const auto bits = (Checked(elements) * static_cast<std::uint64_t>(info(dtype).bits)).value();
  if (!bits || *bits % 8 != 0) return std::nullopt;
  return *bits / 8;
}

std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape) {
  Checked count(1);
  for (const std::int64_t dimension : shape) count = count * Checked::from_signed(dimension);
  return count.value();
}

}  // namespace requant
