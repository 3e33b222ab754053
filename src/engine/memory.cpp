#include "engine/memory.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace requant {

namespace {

// Matrices are dealt out to the ranks; norms, routers and biases are not.
bool is_shared_out(const Module& place) {
  return place.role == Role::kLinear || place.role == Role::kExpert ||
         place.role == Role::kEmbedding || place.role == Role::kLmHead;
}

std::uint64_t per_rank(std::uint64_t bytes, bool shared_out, int ranks) {
  const auto count = static_cast<std::uint64_t>(ranks);
  return shared_out ? (bytes + count - 1) / count : bytes;
}

std::uint64_t weight_bytes(const Subject& subject, int ranks) {
  std::uint64_t total = 0;
  std::unordered_set<const TensorInfo*> counted;  // several weights may lie in one tensor
  for (const Weight& weight : subject.weights) {
    for (const auto& [suffix, tensor] : weight.parts) {
      if (tensor != nullptr && counted.insert(tensor).second) {
        total += per_rank(tensor->bytes, is_shared_out(weight.place), ranks);
      }
    }
  }
  for (const DenseTensor& dense : subject.dense) {
    if (dense.tensor == nullptr || !dense.tensor->shares_with().empty()) continue;
    total += per_rank(dense.tensor->bytes, dense.is_weight && is_shared_out(dense.place), ranks);
  }
  return total;
}

const Json* language_config(const Subject& subject) {
  for (const std::string& key : subject.architecture.language_config_keys()) {
    if (const Json* nested = subject.config.find(key)) return nested;
  }
  return &subject.config;
}

std::optional<std::int64_t> number(const Json& config, std::string_view key) {
  const Json* value = config.find(key);
  const auto found = value == nullptr ? std::nullopt : value->as_int();
  constexpr std::int64_t kMost = 1 << 24;  // what no model has; products stay within 64 bits
  return found && *found > 0 && *found <= kMost ? found : std::nullopt;
}

// Bytes of one token's keys and values on one rank, in 16 bits.
std::optional<std::int64_t> cache_bytes_of_token(const Json& config, int ranks) {
  const auto layers = number(config, "num_hidden_layers");
  if (!layers) return std::nullopt;
  if (const auto latent = number(config, "kv_lora_rank")) {
    // Latent attention keeps one vector a layer, on every rank.
    return *layers * (*latent + number(config, "qk_rope_head_dim").value_or(0)) * 2;
  }
  const auto heads = number(config, "num_attention_heads");
  const auto hidden = number(config, "hidden_size");
  if (!heads) return std::nullopt;
  auto width = number(config, "head_dim");
  if (!width && hidden) width = *hidden / *heads;
  if (!width) return std::nullopt;
  const std::int64_t kv_heads = number(config, "num_key_value_heads").value_or(*heads);
  const std::int64_t of_rank = std::max<std::int64_t>(1, (kv_heads + ranks - 1) / ranks);
  return *layers * 2 * of_rank * *width * 2;
}

bool has_cache_of_8_bits(const Json& config) {
  for (const std::string_view key : {"quantization_config", "compression_config"}) {
    const Json* scheme = config.at({key, "kv_cache_scheme"});
    const Json* bits = scheme == nullptr ? nullptr : scheme->find("num_bits");
    if (bits != nullptr && bits->as_int() == 8) return true;
  }
  return false;
}

}  // namespace

MemoryEstimate memory_of(const Subject& subject, int tensor_parallel, std::int64_t context) {
  MemoryEstimate out{.weight_bytes = weight_bytes(subject, tensor_parallel), .context = context};
  const auto token = cache_bytes_of_token(*language_config(subject), tensor_parallel);
  out.cache_known = token.has_value();
  if (token) {
    const auto bytes = static_cast<std::uint64_t>(*token) * static_cast<std::uint64_t>(context);
    out.cache_bytes = has_cache_of_8_bits(subject.config) ? bytes / 2 : bytes;
  }
  return out;
}

}  // namespace requant
