#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "arch/gguf_family.h"
#include "base/text.h"
#include "dialect/gguf_write.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// Keys that hold a float, also where config.json has a whole number.
constexpr auto kFloats = std::to_array<std::string_view>(
    {"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "rope.freq_base"});

class Model {
 public:
  Model(const Json& config, GgufKeyBytes& keys) : config_(config), keys_(keys) {}

  Result<void> run() {
    const std::string_view type = text_at(&config_, "model_type");
    family_ = find_gguf_family_of(type);
    if (family_ == nullptr) {
      return refused(
          fmt::format("no data of this build say how llama.cpp has {}", in_quotes(type)));
    }
    RQ_CHECK(check_rest());
    keys_.set_string("general.architecture", family_->architecture);
    keys_.set_string("general.type", "model");
    const std::string_view name = text_at(&config_, "_name_or_path");
    if (!name.empty()) keys_.set_string("general.name", name.substr(name.rfind('/') + 1));
    for (const auto& [config, key] : family_->keys) {
      const Json* value = find(config);
      if (value == nullptr || value->is_null()) continue;
      RQ_CHECK_IN(add(config, key, *value), "config.json");
    }
    return add_derived();
  }

 private:
  // What transformers 5 keeps in a block of its own.
  const Json* find(std::string_view key) const {
    const Json* value = config_.find(key);
    if (value == nullptr) value = config_.at({"rope_parameters", key});
    return value;
  }

  std::string own(std::string_view key) const {
    return fmt::format("{}.{}", family_->architecture, key);
  }

  Result<void> add(std::string_view name, std::string_view key, const Json& value) {
    if (std::ranges::find(kFloats, key) != kFloats.end()) {
      const auto number = value.as_double();
      if (!number) return corrupt(fmt::format("'{}' is {}, expected a number", name, value.dump()));
      keys_.set_f32(own(key), static_cast<float>(*number));
      return {};
    }
    const auto number = value.as_uint();
    if (!number || *number > UINT32_MAX) {
      return corrupt(
          fmt::format("'{}' is {}, expected a whole number", name, printable(value.dump(), 80)));
    }
    keys_.set_u32(own(key), static_cast<std::uint32_t>(*number));
    return {};
  }

  std::uint32_t number(std::string_view key) const {
    const Json* value = config_.find(key);
    const auto number = value == nullptr ? std::nullopt : value->as_uint();
    return number && *number <= UINT32_MAX ? static_cast<std::uint32_t>(*number) : 0;
  }

  // What follows from several keys.
  Result<void> add_derived() {
    const std::uint32_t heads = number("num_attention_heads");
    if (!keys_.has(own("attention.head_count_kv"))) {
      keys_.set_u32(own("attention.head_count_kv"), heads);
    }
    std::uint32_t head = number("head_dim");
    if (head > 0) keys_.set_u32(own("attention.value_length"), head);
    if (head == 0 && heads > 0) head = number("hidden_size") / heads;
    if (head > 0) keys_.set_u32(own("rope.dimension_count"), head);
    if (const std::uint32_t tokens = number("vocab_size"); tokens > 0) {
      keys_.set_u32(own("vocab_size"), tokens);
    }
    return {};
  }

  // What llama.cpp computes in one way only, or would want more tensors for.
  Result<void> check_rest() const {
    const Json* activation = config_.find("hidden_act");
    if (activation != nullptr && activation->as_string() != "silu") {
      return refused(fmt::format("config.json: 'hidden_act' is {}, llama.cpp computes silu",
                                 printable(activation->dump(), 80)));
    }
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      const Json* rope = config_.find(key);
      if (rope == nullptr || !rope->is_object()) continue;
      std::string_view type = text_at(rope, "rope_type");
      if (type.empty()) type = text_at(rope, "type");
      if (type.empty() || type == "default") continue;
      return refused(
          fmt::format("config.json: rope is scaled ({}), which is not carried into GGUF "
                      "yet",
                      in_quotes(type)));
    }
    for (const auto& [key, value] : family_->values.members()) {
      const Json* own = config_.find(key);
      if (own == nullptr || *own == value) continue;
      return refused(fmt::format("config.json: '{}' is {}, llama.cpp has {}", key,
                                 printable(own->dump(), 80), value.dump()));
    }
    return {};
  }

  const Json& config_;
  GgufKeyBytes& keys_;
  const GgufFamily* family_ = nullptr;
};

}  // namespace

Result<void> add_gguf_model(const Json& config, GgufKeyBytes& keys) {
  return Model(config, keys).run();
}

}  // namespace requant
