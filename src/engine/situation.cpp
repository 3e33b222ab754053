#include "engine/situation.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/letter_case.h"
#include "engine/weight_classes.h"

namespace requant {

namespace {

constexpr int kMaxConfigDepth = 4;

void collect_blocks(const Json& config, const std::string& prefix, int depth,
                    std::vector<BlockPlace>& out) {
  for (const std::string_view key : {"quantization_config", "compression_config"}) {
    const Json* block = config.find(key);
    if (block != nullptr && block->is_object()) {
      out.push_back({.path = prefix + std::string(key), .block = block});
    }
  }
  if (depth == kMaxConfigDepth) return;
  for (const auto& [key, value] : config.members()) {
    if (!value.is_object() || key == "quantization_config" || key == "compression_config") continue;
    collect_blocks(value, prefix + key + ".", depth + 1, out);
  }
}

// Splits the blocks of the config into the one that the engine reads and those that it does not.
void find_block(Situation& situation) {
  std::vector<BlockPlace> blocks = quantization_blocks(situation.subject->config);
  const Json* paths = situation.engine->json.at({"config_blocks", "paths"});
  if (paths == nullptr) return;
  for (const Json& keys : paths->items()) {
    std::string path;
    for (const std::string& key : texts_of(&keys)) path += (path.empty() ? "" : ".") + key;
    const auto found = std::find_if(blocks.begin(), blocks.end(),
                                    [&](const BlockPlace& place) { return place.path == path; });
    if (found == blocks.end()) continue;
    if (situation.block.block == nullptr) situation.block = *found;
    blocks.erase(found);
  }
  // A second block beside the one that is read is a matter of style, not of loading.
  if (situation.block.block == nullptr) situation.unread = std::move(blocks);
}

void find_method(Situation& situation) {
  if (situation.block.block == nullptr) return;
  const Json* declared = situation.block.block->find("quant_method");
  situation.declared = to_lower(declared == nullptr ? "" : declared->as_string().value_or(""));
  situation.method = situation.declared;
  situation.method_src.clear();
  for (const Override& row : situation.engine->overrides) {
    if (row.from != situation.declared || row.when.evaluate(situation.facts) != Truth::kYes)
      continue;
    situation.method = row.to;
    situation.method_src = row.src;
    return;
  }
  // No quant_method at all is still a name that is looked up, and not found.
  if (situation.declared.empty()) situation.method = "(none)";
}

// Where the language model's config may stand: its sub-config first.
std::vector<const Json*> language_configs(const Subject& subject) {
  std::vector<const Json*> places;
  for (const std::string& key : subject.architecture.language_config_keys()) {
    if (const Json* nested = subject.config.find(key)) places.push_back(nested);
  }
  places.push_back(&subject.config);
  return places;
}

// What the engine computes in, from the dtype that the config states.
std::string activation_dtype(const Situation& situation) {
  const EngineData& engine = *situation.engine;
  std::string stated;
  for (const Json* place : language_configs(*situation.subject)) {
    for (const std::string& key : engine.texts_at({"activation_dtype", "keys"})) {
      const Json* value = place->find(key);
      if (stated.empty() && value != nullptr) stated = value->as_string().value_or("");
    }
  }
  if (stated.starts_with("torch.")) stated.erase(0, 6);
  if (stated == "half") stated = "float16";
  if (stated.empty() || stated == "float32" || stated == "float") {
    return engine.text_at({"activation_dtype", "float32"});
  }
  return stated;
}

std::string first_architecture(const Json& config) {
  const auto names = texts_of(config.find("architectures"));
  return names.empty() ? "" : names.front();
}

FactValue lists_of(const Json* json) {
  return json == nullptr ? FactValue(FactValue::List{}) : value_of(*json);
}

// EngineFacts about the checkpoint that no rule's predicate spells out as a path into a config.
void set_model_facts(Situation& situation, const Device& device) {
  const EngineData& engine = *situation.engine;
  const Subject& subject = *situation.subject;
  EngineFacts& facts = situation.facts;
  facts.set_object("config", &subject.config);
  facts.set_object("cfg", situation.block.block);
  facts.set_object("cfg_root", &subject.config);
  const Json* block = situation.block.block;
  if (const Json* algorithm = block == nullptr ? nullptr : block->find("quant_algo")) {
    facts.set("cfg.quant_algo",
              to_upper(algorithm->as_string().value_or("")));  // as readers compare
  }
  facts.set("container", subject.container);
  facts.set("dev.platform", engine.platform);
  if (!device.cpu.empty()) facts.set("dev.cpu", device.cpu);
  facts.set("dev.cc", engine.capability != 0 ? engine.capability : device.capability);
  facts.set("tp", device.tensor_parallel);
  const std::string dtype = activation_dtype(situation);
  facts.set("act_dtype", dtype);
  facts.set("out_dtype", dtype);
  facts.set("act_dtype_bytes", dtype == "float32" ? 4 : 2);
  facts.set("model.arch", first_architecture(subject.config));
  for (const Json* place : language_configs(subject)) {
    const Json* heads = place->find("num_attention_heads");
    if (heads == nullptr || !heads->is_number()) continue;
    facts.set("model.heads", value_of(*heads));
    break;
  }
  facts.set("registry", lists_of(engine.json.at({"registry", "methods"})));
  facts.set("registry.needs_vllm", lists_of(engine.json.at({"registry", "needs_vllm"})));
  facts.set("model_types", lists_of(engine.json.find("model_types")));
  facts.set("model.main_input", "input_ids");
  facts.set("deprecated_methods", lists_of(engine.json.at({"registry", "deprecated"})));
  facts.set("architectures.names", lists_of(engine.json.at({"architectures", "names"})));
  facts.set("architectures.previously_supported",
            lists_of(engine.json.at({"architectures", "previously_supported"})));
  FactValue::List formats;
  if (const Json* tensors = engine.json.find("tensors")) {
    for (const auto& [name, row] : tensors->members()) {
      if (const Json* names = row.find("names")) formats.push_back(value_of(*names));
    }
  }
  facts.set("tensors", std::move(formats));
  const Json* whitelist = engine.json.at({"platform_methods", engine.platform, "methods"});
  facts.set("platform_methods[dev.platform]",
            whitelist == nullptr ? FactValue() : value_of(*whitelist));
  if (subject.files) {
    FactValue::List files;
    for (const std::string& name : *subject.files) files.emplace_back(name);
    facts.set("files", std::move(files));
  }
  if (!subject.weight_file.empty()) facts.set("weight_file", subject.weight_file);
}

// The first list of alternative keys of which the block has none, as the engine's message names it.
FactValue missing_keys(const Situation& situation, const Json* required) {
  if (required == nullptr || situation.block.block == nullptr) return {};
  for (const Json& alternatives : required->items()) {
    const auto keys = texts_of(&alternatives);
    const bool present = std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
      return situation.block.block->find(key) != nullptr;
    });
    if (!present) return value_of(alternatives);
  }
  return {};
}

// What the data say about the method; a method without a demand makes none.
void set_method_facts(Situation& situation) {
  EngineFacts& facts = situation.facts;
  const Json* method = situation.engine->json.at({"methods", situation.method});
  facts.set("group_sizes[cfg.quant_method]",
            lists_of(situation.engine->json.at({"group_sizes", situation.declared})));
  const auto get = [&](std::string_view key) {
    return method == nullptr ? nullptr : method->find(key);
  };
  facts.set("method", situation.method.empty() ? FactValue() : FactValue(situation.method));
  const Json* capability = get("min_capability");
  facts.set("methods[method].min_capability",
            capability == nullptr ? FactValue(0) : value_of(*capability));
  const Json* dtypes = get("act_dtypes");
  facts.set("methods[method].act_dtypes", dtypes == nullptr
                                              ? FactValue(FactValue::List{*facts.find("act_dtype")})
                                              : value_of(*dtypes));
  facts.set("methods[method].required_keys", lists_of(get("required_keys")));
  facts.set("methods[method].missing_keys", missing_keys(situation, get("required_keys")));
  if (const Json* algorithms = get("quant_algos")) {
    facts.set("methods[method].quant_algos", value_of(*algorithms));
  }
}

void set_kv_facts(Situation& situation) {
  const Json* scheme =
      situation.block.block == nullptr ? nullptr : situation.block.block->find("kv_cache_scheme");
  if (scheme == nullptr || !scheme->is_object()) {
    situation.facts.set("kv", {});
    return;
  }
  EngineFacts& facts = situation.facts;
  const auto value = [&](std::string_view key, const FactValue& otherwise) {
    const Json* found = scheme->find(key);
    return found == nullptr ? otherwise : value_of(*found);
  };
  facts.set("kv", 1);
  facts.set("kv.type", value("type", "int"));
  facts.set("kv.bits", value("num_bits", 8));
  facts.set("kv.strategy", value("strategy", "tensor"));
  facts.set("kv.symmetric", value("symmetric", true));
}

void set_weight_summaries(Situation& situation) {
  EngineFacts& facts = situation.facts;
  std::set<int> bits;
  std::vector<const Scheme*> experts;
  for (const WeightClass& weights : situation.classes) {
    bits.insert(weights.example->scheme.bits);
    const Scheme& scheme = weights.example->scheme;
    if (weights.example->place.role != Role::kExpert) continue;
    if (std::none_of(experts.begin(), experts.end(),
                     [&](const Scheme* other) { return *other == scheme; })) {
      experts.push_back(&scheme);
    }
  }
  facts.set("model.mixed_bits", bits.size() > 1);
  facts.set("model.is_moe", !experts.empty());
  if (experts.size() <= 1) facts.set("moe.projections_same_scheme", true);
  if (experts.empty()) facts.set("moe.num_experts", 0);
  FactValue::List uncovered;
  for (const DenseTensor* tensor : situation.uncovered) {
    if (uncovered.size() == 3) break;
    uncovered.emplace_back(tensor->module);
  }
  facts.set("model.unquantised_linears", std::move(uncovered));
}

}  // namespace

std::vector<BlockPlace> quantization_blocks(const Json& config) {
  std::vector<BlockPlace> out;
  collect_blocks(config, "", 0, out);
  return out;
}

void restate(Situation& situation, const Device& device) {
  const std::string before = situation.method;
  if (situation.engine->capability == 0) situation.facts.set("dev.cc", device.capability);
  if (!device.cpu.empty()) situation.facts.set("dev.cpu", device.cpu);
  find_method(situation);
  if (situation.method != before) {
    situation = describe(*situation.engine, *situation.subject, device);
  }
}

Situation describe(const EngineData& engine, const Subject& subject, const Device& device) {
  Situation situation;
  situation.engine = &engine;
  situation.subject = &subject;
  find_block(situation);
  set_model_facts(situation, device);
  find_method(situation);
  set_method_facts(situation);
  set_kv_facts(situation);
  classify_weights(situation);
  set_weight_summaries(situation);
  return situation;
}

}  // namespace requant
