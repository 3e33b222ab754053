#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "codec/codec.h"
#include "dialect/module_table.h"

namespace requant {

// One storage form of compressed-tensors, as a module's tensors show it.
struct CtForm {
  std::string_view format;        // "pack-quantized"
  std::string_view key;           // a tensor of this suffix, and one of these dtypes, shows it
  std::span<const DType> dtypes;  // empty: any
  std::span<const std::string_view> codecs;
  std::span<const std::string_view> parts;  // suffixes; others belong to activations or to nobody
};

// nullptr where the module is stored unquantised or has no weight.
const CtForm* ct_form_of(const ModuleTensors& module);

// The modules of a table in which tensors are named "X.weight.bitmask" and so on: these are the
// tensors of module X. Nothing where there are no such tensors.
std::optional<std::vector<ModuleTensors>> ct_merged_modules(const ModuleTable& table);

// Whether a codec stores what the config calls `format`; true for formats that say nothing.
bool ct_format_fits(std::string_view format, const Codec& codec);

// What the config calls the format of a weight that this codec stores.
std::string_view ct_format_of(const Codec& codec, const Scheme& scheme);

}  // namespace requant
