#include "model/model_config.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <string_view>

#include "base/text.h"

namespace requant {
namespace {

float silu(float x) { return x / (1 + std::exp(-x)); }

float gelu(float x) { return 0.5F * x * (1 + std::erf(x / std::numbers::sqrt2_v<float>)); }

float gelu_tanh(float x) {
  constexpr float kFactor = 0.7978845608F;  // sqrt(2 / pi)
  return 0.5F * x * (1 + std::tanh(kFactor * (x + 0.044715F * x * x * x)));
}

struct Activation {
  std::string_view name;
  float (*apply)(float);
};
constexpr Activation kActivations[] = {{"silu", silu},           {"swish", silu},
                                       {"gelu", gelu},           {"gelu_new", gelu_tanh},
                                       {"gelu_tanh", gelu_tanh}, {"gelu_pytorch_tanh", gelu_tanh}};

Result<std::int64_t> integer(const ForwardPart& part, std::string_view key) {
  const auto value = part.value_of(key);
  if (!value) return corrupt(fmt::format("config.json: '{}' is no positive integer", key));
  return *value;
}

bool flag(const Json& config, std::string_view key, bool otherwise) {
  const Json* value = config.find(key);
  return value == nullptr ? otherwise : value->as_bool().value_or(otherwise);
}

// Layers whose attention sees a window: those that "layer_types" names, else all from
// "max_window_layers" on where "use_sliding_window" says so, else all.
std::vector<std::int64_t> windows_of(const Json& config, std::int64_t layers) {
  std::vector<std::int64_t> windows(static_cast<std::size_t>(layers), 0);
  const Json* size = config.find("sliding_window");
  const std::int64_t window = size == nullptr ? 0 : size->as_int().value_or(0);
  if (window <= 0) return windows;
  const Json* types = config.find("layer_types");
  const Json* use = config.find("use_sliding_window");
  const Json* first = config.find("max_window_layers");
  if (use != nullptr && !use->as_bool().value_or(false)) return windows;
  const std::int64_t begin = use == nullptr || first == nullptr ? 0 : first->as_int().value_or(0);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const bool listed = types != nullptr && i < types->items().size();
    const bool slides = listed ? types->items()[i].as_string() == "sliding_attention"
                               : static_cast<std::int64_t>(i) >= begin;
    if (slides) windows[i] = window;
  }
  return windows;
}

Result<void> add_experts(const ForwardPart& part, ModelConfig& config) {
  if (!part.modules.contains("router")) return {};
  for (const char* key : {"num_experts", "num_local_experts"}) {
    if (const auto value = part.value_of(key)) config.experts = *value;
  }
  const Json* chosen = part.config->find("num_experts_per_tok");
  const auto fact = part.rows->facts.find("experts_per_token");
  config.experts_per_token = chosen != nullptr
                                 ? chosen->as_int().value_or(0)
                                 : (fact == part.rows->facts.end() ? 0 : std::stoll(fact->second));
  const auto router = part.rows->facts.find("router");
  config.renormalised = router != part.rows->facts.end() && router->second == "renormalised";
  if (!config.renormalised) config.renormalised = flag(*part.config, "norm_topk_prob", false);
  if (config.experts < 1 || config.experts_per_token < 1 ||
      config.experts_per_token > config.experts) {
    return corrupt(fmt::format("config.json: {} of {} experts for a token",
                               config.experts_per_token, config.experts));
  }
  return {};
}

}  // namespace

Result<ModelConfig> ModelConfig::parse(const ForwardPart& part, const Json& whole) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  ModelConfig config;
  RQ_TRY(config.hidden, integer(part, "hidden_size"));
  RQ_TRY(config.layers, integer(part, "num_hidden_layers"));
  RQ_TRY(config.heads, integer(part, "num_attention_heads"));
  RQ_TRY(config.key_heads, integer(part, "num_key_value_heads"));
  RQ_TRY(config.head_dim, integer(part, "head_dim"));
  RQ_TRY(config.vocabulary, integer(part, "vocab_size"));
  for (const std::int64_t value : {config.hidden, config.layers, config.heads, config.key_heads,
                                   config.head_dim, config.vocabulary}) {
    if (value > kMost) return corrupt("config.json: a size beyond any model's");
  }
  if (config.heads % config.key_heads != 0) {
    return corrupt(fmt::format("config.json: {} heads do not share {} key heads", config.heads,
                               config.key_heads));
  }
  const Json* epsilon = part.config->find("rms_norm_eps");
  if (epsilon != nullptr) config.epsilon = static_cast<float>(epsilon->as_double().value_or(1e-6));
  const Json* act = part.config->find("hidden_act");
  const std::string name(act == nullptr ? "silu" : act->as_string().value_or(""));
  for (const Activation& known : kActivations) {
    if (known.name == name) config.activation = known.apply;
  }
  if (config.activation == nullptr) {
    return refused("hidden_act " + in_quotes(name) + " is not supported");
  }
  RQ_TRY(config.rope, Rope::parse(*part.config, config.head_dim,
                                  part.value_of("max_position_embeddings").value_or(2048)));
  config.windows = windows_of(*part.config, config.layers);
  config.tied = flag(*part.config, "tie_word_embeddings",
                     flag(whole, "tie_word_embeddings", part.tied_by_default));
  RQ_CHECK(add_experts(part, config));
  return config;
}

}  // namespace requant
