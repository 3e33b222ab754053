#include "dialect/kv_cache.h"

#include <algorithm>
#include <array>

#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr auto kSuffixes =
    std::to_array<std::string_view>({".k_scale", ".v_scale", ".q_scale", ".output_scale"});

struct Place {
  std::string_view attention;   // what follows the name of the attention module
  std::string_view projection;  // the same where the projection keeps it
};
constexpr auto kPlaces =
    std::to_array<Place>({{".k_scale", ".k_proj.k_scale"}, {".v_scale", ".v_proj.v_scale"}});

struct Scale {
  std::string_view attention;  // "model.layers.0.self_attn"
  const Place* place = nullptr;
};

std::optional<Scale> scale_of(std::string_view tensor) {
  for (const Place& place : kPlaces) {
    for (const std::string_view suffix : {place.projection, place.attention}) {
      if (!tensor.ends_with(suffix)) continue;
      return Scale{tensor.substr(0, tensor.size() - suffix.size()), &place};
    }
  }
  return std::nullopt;
}

KvCache named(std::string_view name) {
  if (name.starts_with("INT8")) return {.bits = 8, .is_float = false};
  if (name.starts_with("NVFP4")) return {.bits = 4, .is_float = true};
  return {};
}

KvCache stated(const Json& scheme) {
  if (scheme.is_string()) return named(*scheme.as_string());
  const Json* bits = scheme.find("num_bits");
  return {.bits = bits == nullptr ? 8 : static_cast<int>(bits->as_int().value_or(8)),
          .is_float = text_at(&scheme, "type") != "int"};
}

}  // namespace

bool is_kv_scale(std::string_view tensor) {
  return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](std::string_view suffix) { return tensor.ends_with(suffix); });
}

std::string kv_scale_key(std::string_view tensor) {
  const auto name = kv_scale_name(tensor, KvScales::kAttention);
  return name ? *name : std::string(tensor);
}

std::optional<std::string> kv_scale_name(std::string_view tensor, KvScales place) {
  const auto scale = scale_of(tensor);
  if (!scale || place == KvScales::kNone) return std::nullopt;
  const bool attention = place == KvScales::kAttention;
  return std::string(scale->attention) +
         std::string(attention ? scale->place->attention : scale->place->projection);
}

KvCache kv_cache_of(const Json& config, const Architecture& architecture,
                    const std::map<std::string, Json>& side_files) {
  for (const ConfigBlock& block : find_config_blocks(config, architecture)) {
    const Json* scheme = block.block->find("kv_cache_scheme");
    if (scheme != nullptr && !scheme->is_null()) return stated(*scheme);
  }
  const auto side = side_files.find("hf_quant_config.json");
  if (side == side_files.end()) return {};
  const Json* name = side->second.at({"quantization", "kv_cache_quant_algo"});
  return name != nullptr && name->is_string() ? stated(*name) : KvCache{};
}

}  // namespace requant
