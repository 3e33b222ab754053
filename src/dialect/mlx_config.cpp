#include "dialect/mlx_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// A mode with the bits and group that it has where the block says neither (mlx/ops.cpp@0.32.4).
struct Mode {
  std::string_view name;
  Element element;
  int bits;
  std::int64_t group;
};
constexpr auto kModes = std::to_array<Mode>({
    {"affine", Element::kInt, 4, 64},
    {"mxfp4", Element::kE2M1, 4, 32},
    {"mxfp8", Element::kE4M3Fn, 8, 32},
    {"nvfp4", Element::kE2M1, 4, 16},
});

const Mode* find_mode(std::string_view name) {
  const auto at = std::ranges::find(kModes, name, &Mode::name);
  return at == kModes.end() ? nullptr : &*at;
}

// A number of the block; `otherwise` where it is null or not there, as mlx-lm writes it for modules
// that are as all others.
Result<std::int64_t> number_in(const Json& block, std::string_view key, std::int64_t otherwise,
                               const std::string& where) {
  const Json* value = block.find(key);
  if (value == nullptr || value->is_null()) return otherwise;
  const auto number = value->as_int();
  if (!number || *number < 1) {
    return corrupt(fmt::format("config.json: {}.{} is no number above 0", where, key));
  }
  return *number;
}

// `base` says what the block leaves out, but where it names a mode of its own.
Result<MlxSpec> parse_spec(const Json& block, const MlxSpec* base, const std::string& where) {
  MlxSpec spec = base == nullptr ? MlxSpec() : *base;
  const std::string_view name = text_at(&block, "mode");
  if (!name.empty() && (base == nullptr || name != base->mode)) {
    const Mode* mode = find_mode(name);
    if (mode == nullptr) {
      return refused(
          fmt::format("config.json: {}: MLX's mode {} cannot be read", where, in_quotes(name)));
    }
    spec = {.mode = std::string(name), .bits = mode->bits, .group = mode->group};
  }
  RQ_TRY(const std::int64_t bits, number_in(block, "bits", spec.bits, where));
  RQ_TRY(spec.group, number_in(block, "group_size", spec.group, where));
  constexpr std::int64_t kMaxBits = 8;
  if (bits > kMaxBits) return corrupt(fmt::format("config.json: {}: {} bits", where, bits));
  spec.bits = static_cast<int>(bits);
  return spec;
}

Result<void> add_module(const std::string& module, const Json& entry, MlxConfig& config) {
  if (entry.is_object()) {
    RQ_TRY(config.modules[module],
           parse_spec(entry, &config.all, config.where + "." + printable(module)));
  } else if (const auto is_quantised = entry.as_bool()) {
    config.modules[module] = *is_quantised ? std::optional(config.all) : std::nullopt;
  }
  return {};
}

}  // namespace

const MlxSpec* MlxConfig::spec_for(std::string_view module) const {
  const auto at = modules.find(module);
  if (at == modules.end()) return &all;
  return at->second ? &*at->second : nullptr;
}

Result<std::optional<MlxConfig>> read_mlx_config(const Json& config) {
  for (const std::string_view key : {kMlxKey, std::string_view("quantization_config")}) {
    const Json* block = config.find(key);
    if (block == nullptr || !block->is_object() || block->find("quant_method") != nullptr ||
        block->find("bits") == nullptr) {
      continue;
    }
    MlxConfig found;
    found.where = key;
    RQ_TRY(found.all, parse_spec(*block, nullptr, found.where));
    for (const auto& [name, entry] : block->members()) {
      RQ_CHECK(add_module(name, entry, found));
    }
    return std::optional(std::move(found));
  }
  return std::optional<MlxConfig>();
}

Scheme declared_by(const MlxSpec& spec) {
  Scheme scheme;
  scheme.element = find_mode(spec.mode)->element;
  scheme.bits = spec.bits;
  scheme.grid = Grid::group(spec.group);
  if (spec.mode == "affine") scheme.offset = Offset::kMinimum;
  return scheme;
}

MlxSpec spec_of(const Scheme& scheme) {
  MlxSpec spec{.bits = scheme.bits, .group = scheme.grid.block_cols};
  for (const Mode& mode : kModes) {
    const bool is_same = scheme.element == mode.element &&
                         (mode.element == Element::kInt || mode.group == spec.group);
    if (is_same) spec.mode = mode.name;
  }
  return spec;
}

Json json_of(const MlxSpec& spec) {
  Json json = Json::object();
  json.set("group_size", spec.group);
  json.set("bits", spec.bits);
  json.set("mode", spec.mode);
  return json;
}

}  // namespace requant
