#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "arch/architecture.h"
#include "base/json.h"

namespace requant {

// What a checkpoint says of a KV cache whose keys and values have static scales.
struct KvCache {
  int bits = 8;
  bool is_float = true;
};

// Where a dialect keeps those scales, one factor each.
enum class KvScales : std::uint8_t {
  kNone,
  kAttention,   // X.self_attn.k_scale, X.self_attn.v_scale
  kProjection,  // X.self_attn.k_proj.k_scale, X.self_attn.v_proj.v_scale
};

// Any scale that belongs to attention and its cache and not to a weight, whoever wrote it.
bool is_kv_scale(std::string_view tensor);

// One name for a scale of keys or values, wherever it is kept: X.self_attn.k_scale. Other names
// stay as they are.
std::string kv_scale_key(std::string_view tensor);

// What such a scale is called there; nothing for others and where there is no place for it.
std::optional<std::string> kv_scale_name(std::string_view tensor, KvScales place);

// kv_cache_scheme of a quantization block or kv_cache_quant_algo of hf_quant_config.json; FP8,
// which all tools mean by the scales alone, where the files say nothing.
KvCache kv_cache_of(const Json& config, const Architecture& architecture,
                    const std::map<std::string, Json>& side_files);

}  // namespace requant
