#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/composition.h"
#include "base/finding.h"
#include "base/json.h"
#include "base/result.h"

namespace requant {

// What a module is in its model.
enum class Role : std::uint8_t {
  kUnknown,
  kLinear,  // attention and MLP projections, also those of towers
  kExpert,  // the same inside one routed expert
  kEmbedding,
  kLmHead,
  kRouter,
  kNorm,
  kConv,
  kOther,  // biases of their own, position embeddings, rotary tables
};
std::string_view name_of(Role role);

// Which part of a multimodal model a module belongs to.
enum class Tower : std::uint8_t { kLanguage, kVision, kProjector, kAudio };
std::string_view name_of(Tower tower);

struct Module {
  Role role = Role::kUnknown;
  Tower tower = Tower::kLanguage;
  int layer = -1;   // -1: outside the layers
  int expert = -1;  // -1: not inside a routed expert
  // Modules that engines load as one matrix share this name ("model.layers.3.self_attn.qkv_proj");
  // a module that stands alone has its own.
  std::string fused;
};

// One model family: names -> roles, fusion groups, what its config must hold. Read from
// data/architectures/NAME.json, which are embedded at build.
class Architecture {
 public:
  struct Data;

  // The architecture of a config.json, by "architectures" first and "model_type" second, with the
  // architectures of its sub-configs (llm_config, text_config, vision_config). Where no data file
  // matches it gives the generic stand-in, for which known() is false.
  static Architecture of(const Json& config);

  const std::string& name() const;
  // False for the generic stand-in, which tells a Linear by its name and rank alone.
  bool known() const;
  // Where the data come from, and whether they were compared with a published checkpoint.
  const std::string& source() const;
  // False where module() can only guess.
  bool describes(std::string_view module) const;

  // `module` is a module's path, its tensor's name without ".weight"; `rank` that of its weight.
  Module module(std::string_view module, std::size_t rank) const;

  // What the matrix of this module holds; nothing where it is a matrix of its own.
  std::optional<Composition> composition(std::string_view module, const Json& config) const;
  // That of the matrix which would hold this module's.
  std::optional<Composition> composition_with(std::string_view member, const Json& config) const;

  // The sizes that `config` gives the weight of a module; empty where they are not known.
  std::vector<std::int64_t> sizes(std::string_view module, const Json& config) const;

  // The expressions behind sizes(): "intermediate_size", "2*head_dim".
  std::vector<std::string> size_names(std::string_view module) const;
  // Gives a key of the language model's config, wherever it stands, another value.
  void set_language_value(Json& config, std::string_view key, const Json& value) const;

  // Keys of sub-configs that may hold the language model's config: {"llm_config"}, {"text_config"}.
  std::vector<std::string> language_config_keys() const;

  // Values in config.json that are missing, contradictory or impossible, each naming its key.
  std::vector<Finding> check_config(const Json& config) const;

  // Tensors that config and architecture call for and that are absent or have another shape.
  // `shape_of`, which several threads ask at once, gives a tensor's shape, valid until the same
  // thread asks again, or nothing where there is none.
  std::vector<Finding> check_tensors(
      const Json& config,
      const std::function<const std::vector<std::int64_t>*(std::string_view)>& shape_of) const;

 private:
  std::shared_ptr<const Data> data_;
};

}  // namespace requant
