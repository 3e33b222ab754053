#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/architecture.h"
#include "base/finding.h"
#include "base/json.h"
#include "base/result.h"
#include "codec/codec.h"
#include "container/container.h"
#include "dialect/kv_cache.h"
#include "dialect/module_table.h"

namespace requant {

// What a dialect looks at when it reads. All of it must outlive this.
struct Facts {
  Facts(const Json& config_json, const Source& tensors, const Architecture& family,
        const std::map<std::string, Json>& side_files)
      : config(config_json),
        source(tensors),
        architecture(family),
        side(side_files),
        modules(tensors) {}

  const Json& config;  // config.json
  const Source& source;
  const Architecture& architecture;
  const std::map<std::string, Json>&
      side;             // quantize_config.json, hf_quant_config.json ... by name
  ModuleTable modules;  // the tensors of `source`, by module
};

// Where a quantization block stands in config.json: the keys that lead to it
// ({"quantization_config"}, {"llm_config", "quantization_config"}) and the block.
struct ConfigBlock {
  std::vector<std::string> path;
  const Json* block = nullptr;
};
// Every quantization_config or compression_config, the top level first.
std::vector<ConfigBlock> find_config_blocks(const Json& config, const Architecture& architecture);
// "llm_config.quantization_config".
std::string name_of(const ConfigBlock& block);

struct Recognition {
  Match match = Match::kNo;
  std::vector<std::string> evidence;  // "model.layers.0.mlp.up_proj.scale is F32 [1536, 1]"
};

// Which program wrote a checkpoint, as far as the files tell.
struct WriterGuess {
  std::string tool;     // "lmdeploy lite smooth_quant"; empty: not known
  std::string version;  // "0.7.1 to 0.8"; empty: not known
  std::vector<std::string> evidence;
};

// One quantised weight of a checkpoint.
struct Weight {
  std::string module;  // "model.layers.0.mlp.up_proj"
  Module place;
  const Codec* codec = nullptr;
  Scheme scheme;  // as the tensors have it
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  // Matrices of which `rows` holds the rows, one after the other: the experts of a tensor of three
  // dimensions.
  std::int64_t experts = 1;
  // The tensors that store it, by suffix; they belong to the Source.
  std::vector<std::pair<std::string, const TensorInfo*>> parts;
};

// A tensor that is no part of a quantised weight.
struct DenseTensor {
  std::string module;  // its name without ".weight" or ".bias"
  Module place;
  const TensorInfo* tensor = nullptr;
  bool is_weight = true;  // false: a bias, a scale of its own, a buffer
};

struct Resolution {
  std::vector<Weight> weights;
  // Contradictions between config and tensors; each is a Finding of inspect and of check.
  std::vector<Finding> findings;
};

// A weight as a target will have it.
struct TargetWeight {
  std::string module;
  Module place;
  Scheme scheme;
};

// One of several layouts that a dialect's readers tell apart, by the name that its config has for
// it.
struct NamedLayout {
  std::string_view name;
  std::string_view codec;
};

struct ConfigRequest {
  const Json& config;  // the source's config.json
  const Architecture& architecture;
  std::span<const TargetWeight> quantized;
  // Linear-like modules (role Linear, Expert, LmHead, Router, of any tower) that stay dense.
  std::span<const TargetWeight> unquantized;
  // Scales of the KV cache that another dialect wrote go over with the weights.
  std::optional<KvCache> kv_cache = {};
  // The layout of all weights, where it was named; else codec_for() says it.
  const NamedLayout* layout = nullptr;
};

// Whether a dialect's readers know tensors that hold all experts of a layer.
enum class StackRule : std::uint8_t { kNever, kMay, kAlways };

// One tool's way of stating quantisation: config keys, tensor names, side files.
// One .cpp that exports one constant; a null function means that the dialect cannot do that.
struct Dialect {
  std::string_view name;       // what users type: "compressed-tensors"
  std::string_view long_name;  // what `formats` prints
  std::string_view source;     // where it is defined, with a revision

  // Tensor evidence first, the config second. kYes: certain; kMaybe: only the config says so.
  Recognition (*recognize)(const Facts&);
  // kCorrupt when tensors contradict each other (a scale without its weight, shapes that disagree).
  Result<Resolution> (*resolve)(const Facts&);
  WriterGuess (*writer)(const Facts&) = nullptr;

  // The codec in which this dialect writes a weight of that scheme; nullptr when it cannot hold it.
  const Codec* (*codec_for)(const Scheme&) = nullptr;
  // Layouts that may be asked for by name instead: "gptq@v2".
  std::span<const NamedLayout> layouts = {};
  // The value of config.json's top-level quantization_config for these weights.
  Result<Json> (*quantization_config)(const ConfigRequest&) = nullptr;
  // Another top-level key of config.json under which its readers look for the same value.
  std::string_view config_twin = {};
  // Files besides config.json that this dialect's readers want, by name.
  Result<std::map<std::string, Json>> (*side_files)(const ConfigRequest&) = nullptr;

  // Where its readers look for scales of an FP8 KV cache.
  KvScales kv_scales = KvScales::kNone;

  // The values of quant_method that mean this dialect, separated by spaces.
  std::string_view quant_methods = {};

  // Of quantised experts, as this dialect writes them.
  StackRule stacks = StackRule::kNever;

  // Its readers take embeddings that are quantised; for others they are stored unquantised.
  bool quantises_embeddings = false;

  // Its own tools store float scales in F32, whatever the dtype of the weight was.
  bool scales_are_f32 = false;
};

// In the order in which they are tried: those that can be read, those that are only recognised,
// "dense" last.
std::span<const Dialect* const> dialects();
const Dialect* find_dialect(std::string_view name);

// The codec in which the dialect writes a weight of that scheme, in the layout where one is named;
// nullptr when it cannot hold it so.
const Codec* codec_in(const Dialect& dialect, const NamedLayout* layout, const Scheme& scheme);

}  // namespace requant
