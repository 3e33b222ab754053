#include "dialect/ct_form.h"

#include <algorithm>
#include <array>
#include <string>

#include "dialect/resolve.h"

namespace requant {
namespace {

using DTypes = std::span<const DType>;

constexpr auto kF16 = std::to_array({DType::kF16});
constexpr auto kI32 = std::to_array({DType::kI32});
constexpr auto kU8 = std::to_array({DType::kU8});
constexpr auto kOneByte = std::to_array({DType::kI8, DType::kF8E4M3});

constexpr auto kMarlin24Parts =
    std::to_array<std::string_view>({"weight_packed", "scale_packed", "meta"});
constexpr auto kSparse24Parts = std::to_array<std::string_view>(
    {"compressed", "bitmask", "shape", "weight_scale", "weight_zero_point"});
constexpr auto kSparseParts =
    std::to_array<std::string_view>({"weight.compressed", "weight.bitmask", "weight.row_offsets",
                                     "weight.shape", "weight_scale", "weight_zero_point"});
constexpr auto kPackParts = std::to_array<std::string_view>(
    {"weight_packed", "weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx"});
constexpr auto kNvfp4Parts =
    std::to_array<std::string_view>({"weight_packed", "weight_scale", "weight_global_scale"});
constexpr auto kMxParts = std::to_array<std::string_view>({"weight_packed", "weight_scale"});
constexpr auto kMxfp8Parts = std::to_array<std::string_view>({"weight", "weight_scale"});
constexpr auto kPlainParts =
    std::to_array<std::string_view>({"weight", "weight_scale", "weight_zero_point"});

constexpr auto kMarlin24 = std::to_array<std::string_view>({"ct-marlin-24"});
constexpr auto kSparse24 = std::to_array<std::string_view>({"ct-sparse-24"});
constexpr auto kSparse = std::to_array<std::string_view>({"ct-sparse-bitmask"});
constexpr auto kPack = std::to_array<std::string_view>({"ct-pack", "ct-pack-padded"});
constexpr auto kNvfp4 = std::to_array<std::string_view>({"ct-nvfp4"});
constexpr auto kMx = std::to_array<std::string_view>({"ct-mxfp4", "ct-mxfp6"});
constexpr auto kMxfp8 = std::to_array<std::string_view>({"ct-mxfp8"});
constexpr auto kPlain = std::to_array<std::string_view>({"ct-quantized"});

// The first whose key is there counts.
constexpr CtForm kForms[] = {
    {"marlin-24", "scale_packed", kF16, kMarlin24, kMarlin24Parts},
    {"sparse-24-bitmask", "bitmask", kU8, kSparse24, kSparse24Parts},
    {"sparse-bitmask", "weight.bitmask", kU8, kSparse, kSparseParts},
    {"pack-quantized", "weight_packed", kI32, kPack, kPackParts},
    {"nvfp4-pack-quantized", "weight_global_scale", DTypes{}, kNvfp4, kNvfp4Parts},
    {"mxfp4- or mxfp6-pack-quantized", "weight_packed", kU8, kMx, kMxParts},
    {"mxfp8-quantized", "weight_scale", kU8, kMxfp8, kMxfp8Parts},
    {"int- or float-quantized", "weight", kOneByte, kPlain, kPlainParts},
};

// Which codec stores what the config calls by which name; the first fitting one is written.
struct Format {
  std::string_view codec;
  std::string_view name;
};
constexpr Format kFormats[] = {
    {"ct-quantized", "int-quantized"},    {"ct-quantized", "float-quantized"},
    {"ct-quantized", "naive-quantized"},  {"ct-pack", "pack-quantized"},
    {"ct-pack-padded", "pack-quantized"}, {"ct-nvfp4", "nvfp4-pack-quantized"},
    {"ct-mxfp4", "mxfp4-pack-quantized"}, {"ct-mxfp6", "mxfp6-pack-quantized"},
    {"ct-mxfp8", "mxfp8-quantized"},      {"ct-marlin-24", "marlin-24"},
};

}  // namespace

const CtForm* ct_form_of(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  if (weight != nullptr && is_float(weight->dtype)) return nullptr;
  for (const CtForm& form : kForms) {
    const TensorInfo* key = module.find(form.key);
    if (key == nullptr) continue;
    if (form.dtypes.empty() || std::ranges::find(form.dtypes, key->dtype) != form.dtypes.end()) {
      return &form;
    }
  }
  return nullptr;
}

std::optional<std::vector<ModuleTensors>> ct_merged_modules(const ModuleTable& table) {
  if (table.first_with("row_offsets") == nullptr) return std::nullopt;
  std::vector<ModuleTensors> modules;
  for (const ModuleTensors& module : table.modules()) {
    const bool is_mask = module.module.ends_with(".weight") && module.find("bitmask") != nullptr;
    if (!is_mask) {
      modules.push_back(module);
      continue;
    }
    ModuleTensors whole;
    whole.module = module.module.substr(0, module.module.size() - 7);
    for (const auto& [suffix, tensor] : module.parts) {
      whole.parts.emplace_back(std::string_view(tensor->name).substr(whole.module.size() + 1),
                               tensor);
    }
    if (const ModuleTensors* others = table.find(whole.module)) {
      whole.parts.insert(whole.parts.end(), others->parts.begin(), others->parts.end());
    }
    modules.push_back(std::move(whole));
  }
  // What was merged is left out.
  std::erase_if(modules, [&](const ModuleTensors& module) {
    const ModuleTensors* mask = table.find(std::string(module.module) + ".weight");
    return mask != nullptr && mask->find("bitmask") != nullptr &&
           module.find("weight.bitmask") == nullptr;
  });
  return modules;
}

bool ct_format_fits(std::string_view format, const Codec& codec) {
  bool known = false;
  for (const Format& row : kFormats) {
    if (row.name != format) continue;
    if (row.codec == codec.name) return true;
    known = true;
  }
  return !known || codec.name.starts_with("ct-sparse");
}

std::string_view ct_format_of(const Codec& codec, const Scheme& scheme) {
  if (codec.name == "ct-quantized" && scheme.element != Element::kInt) return "float-quantized";
  const auto* const row = std::ranges::find(kFormats, codec.name, &Format::codec);
  return row == std::end(kFormats) ? "dense" : row->name;
}

}  // namespace requant
