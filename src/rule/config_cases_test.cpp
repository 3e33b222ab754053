#include <gtest/gtest.h>

#include "rule/testing.h"

namespace requant::testing_support {
namespace {

constexpr const char* kAwq = "autoawq__gemm-w4g128__tiny_llama";
constexpr const char* kCt = "llmcompressor__FP8_DYNAMIC__tiny_llama";
constexpr const char* kVlm = "lmdeploy__awq-v072__tiny-internvl25";
constexpr const char* kLmdeploy = "lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow";

Tiny llama() { return Tiny::llama(); }
Tiny awq() { return Tiny::corpus(kAwq); }
Tiny ct() { return Tiny::corpus(kCt); }
Tiny nvfp4_moe() {
  Tiny tiny = Tiny::moe();
  tiny.make_nvfp4();
  return tiny;
}
Tiny fp8_moe() {
  Tiny tiny = Tiny::moe();
  tiny.make_fp8(false);
  return tiny;
}
Tiny vlm() { return Tiny::corpus(kVlm); }
// The same with its block where engines look.
Tiny hoisted_vlm() {
  Tiny tiny = Tiny::corpus(kVlm);
  Json& part = *tiny.config.find("llm_config");
  tiny.config.set("quantization_config", *part.find("quantization_config"));
  part.erase("quantization_config");
  return tiny;
}

void append(Json& block, std::string_view key, std::string_view entry) {
  Json* list = block.find(key);
  if (list == nullptr || !list->is_array()) {
    block.set(key, Json::array({Json(entry)}));
  } else {
    list->append(entry);
  }
}

RuleCase with_key(std::string rule, std::vector<int> threads, Tiny (*clean)(), std::string key,
                  Json value, std::string says) {
  return {.rule = std::move(rule),
          .threads = std::move(threads),
          .clean = clean,
          .damage = [key = std::move(key),
                     value = std::move(value)](Tiny& tiny) { tiny.config.set(key, value); },
          .says = std::move(says)};
}

// A key of the quantization block.
RuleCase with_claim(std::string rule, std::vector<int> threads, Tiny (*clean)(), std::string key,
                    Json value, std::string says = {}) {
  return {.rule = std::move(rule),
          .threads = std::move(threads),
          .clean = clean,
          .damage = [key = std::move(key),
                     value = std::move(value)](Tiny& tiny) { tiny.block().set(key, value); },
          .says = std::move(says)};
}

RuleCase with_entry(std::string rule, std::vector<int> threads, Tiny (*clean)(), std::string key,
                    std::string entry) {
  return {.rule = std::move(rule),
          .threads = std::move(threads),
          .clean = clean,
          .damage = [key = std::move(key), entry](Tiny& tiny) { append(tiny.block(), key, entry); },
          .says = entry};
}

void add_general(std::vector<RuleCase>& cases) {
  cases.push_back({.rule = "config.absent",
                   .clean = llama,
                   .damage = [](Tiny& tiny) { tiny.config = Json(); },
                   .says = "config.json",
                   .opens = "model.safetensors"});
  cases.push_back(with_key("config.bad-value", {}, llama, "hidden_size", -1, "hidden_size"));
  cases.push_back(
      {.rule = "config.missing-key",
       .clean = llama,
       .damage =
           [](Tiny& tiny) {
             for (const char* key : {"num_hidden_layers", "hidden_size", "vocab_size"}) {
               tiny.config.erase(key);
             }
           },
       .says = "vocab_size"});
  cases.push_back(with_key("config.unknown-architecture", {42}, llama, "architectures",
                           Json::array({Json("NobodysForCausalLM")}), "NobodysForCausalLM"));
  cases.push_back(
      with_key("config.unknown-model-type", {}, llama, "model_type", "nobodys", "nobodys"));
  cases.push_back(
      with_key("config.dtype-disagrees", {52}, llama, "torch_dtype", "float16", "torch_dtype"));
  cases.push_back(
      {.rule = "config.remote-code",
       .clean = llama,
       .damage =
           [](Tiny& tiny) {
             tiny.config.set("auto_map", Json::object({{"AutoModel", "modeling_x.Model"}}));
           },
       .says = "modeling_x.py"});
}

void add_blocks(std::vector<RuleCase>& cases) {
  cases.push_back({.rule = "config.nested-quantization",
                   .threads = {11},
                   .clean = hoisted_vlm,
                   .damage =
                       [](Tiny& tiny) {
                         Json block = tiny.block();
                         tiny.config.erase("quantization_config");
                         tiny.config.find("llm_config")->set("quantization_config", block);
                       },
                   .says = "llm_config.quantization_config"});
  cases.push_back({.rule = "config.top-level-only",
                   .threads = {12},
                   .clean = vlm,
                   .damage = [](Tiny& tiny) { tiny = hoisted_vlm(); },
                   .says = "llm_config"});
  cases.push_back({.rule = "config.two-blocks",
                   .threads = {11},
                   .clean = hoisted_vlm,
                   .damage =
                       [](Tiny& tiny) {
                         Json other = tiny.block();
                         other.set("group_size", 64);
                         tiny.config.find("llm_config")->set("quantization_config", other);
                       },
                   .says = "both state"});
  cases.push_back(
      with_claim("config.unknown-method", {6, 8}, awq, "quant_method", "w4afp8", "w4afp8"));
  // Tensors of one tool under the name of another.
  cases.push_back(
      with_claim("config.method-disagrees", {5, 9}, awq, "quant_method", "gptq", "gptq"));
  cases.push_back({.rule = "config.no-quantization",
                   .threads = {19},
                   .clean = ct,
                   .damage = [](Tiny& tiny) { tiny.config.erase("quantization_config"); },
                   .says = "states no quantisation"});
  cases.push_back(with_key("config.method-but-dense", {}, llama, "quantization_config",
                           Json::object({{"quant_method", "awq"}, {"bits", 4}}), "awq"));
}

void add_keys(std::vector<RuleCase>& cases) {
  cases.push_back({.rule = "config.block-key-missing",
                   .clean = awq,
                   .damage = [](Tiny& tiny) { tiny.block().erase("zero_point"); },
                   .says = "zero_point"});
}

void add_lists(std::vector<RuleCase>& cases) {
  cases.push_back(with_entry("config.excluded-but-quantised", {49}, awq, "modules_to_not_convert",
                             "model.layers.0.mlp.up_proj"));
  cases.back().says = "up_proj";
  cases.push_back(
      with_entry("config.ignored-but-quantised", {13}, ct, "ignore", "model.layers.0.mlp.up_proj"));
  cases.back().says = "up_proj";
  // An extra block, a tower or a renamed projection that the list should name.
  cases.push_back({.rule = "config.targeted-but-dense",
                   .threads = {31, 33, 34},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         const std::string name = "model.layers.1.mlp.up_proj";
                         tiny.tensors.erase(name + ".weight_scale");
                         tiny.add_dense(name + ".weight", {512, 256});
                       },
                   .says = "model.layers.1.mlp.up_proj"});
  cases.push_back({.rule = "config.untargeted-but-quantised",
                   .threads = {14},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         Json* group = tiny.block().find("config_groups")->find("group_0");
                         group->set("targets", Json::array({Json("re:.*self_attn.*")}));
                       },
                   .says = "mlp"});
  cases.push_back({.rule = "config.stale-target",
                   .threads = {14},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         append(*tiny.block().find("config_groups")->find("group_0"), "targets",
                                "model.layers.0.self_attn.qkv_proj");
                       },
                   .says = "qkv_proj"});
  cases.push_back(
      {.rule = "config.targeted-router",
       .threads = {13},
       .clean = fp8_moe,
       .damage = [](Tiny& tiny) { tiny.block().set("ignore", Json::array({Json("lm_head")})); },
       .says = "mlp.gate"});
  cases.push_back(
      with_entry("config.stale-ignore", {30}, ct, "ignore", "model.visual.blocks.0.attn.linear"));
  cases.push_back(
      with_entry("config.stale-ignore", {31}, ct, "ignore", "visual.blocks.0.attn.qkv_proj"));
  cases.push_back({.rule = "config.unlisted-tied-head",
                   .threads = {},
                   .clean =
                       [] {
                         Tiny tiny = ct();
                         tiny.tensors.erase("lm_head.weight");
                         tiny.config.set("tie_word_embeddings", true);
                         return tiny;
                       },
                   .damage = [](Tiny& tiny) { tiny.block().set("ignore", Json::array()); },
                   .says = "lm_head"});
  cases.push_back(with_entry("config.stale-ignore", {32}, ct, "ignore", "re:visual.*"));
  cases.push_back(with_entry("config.stale-ignore", {33}, ct, "ignore", "re:.*vision_tower.*"));
  cases.push_back(with_entry("config.stale-exclusion", {33, 34}, awq, "modules_to_not_convert",
                             "model.mtp.fc"));
  cases.push_back(with_entry("config.substring-exclusion", {34, 49}, awq, "modules_to_not_convert",
                             "embed_tok"));
}

Tiny int4() {
  Tiny tiny = llama();
  tiny.make_int4(64);
  return tiny;
}

// ModelOpt's config states the sizes beside the algorithm's name.
Tiny nvfp4_with_groups() {
  Tiny tiny = nvfp4_moe();
  tiny.block().set("config_groups",
                   *parse_json(R"({"group_0":{"weights":{"num_bits":4,"group_size":16}}})"));
  return tiny;
}

void add_schemes(std::vector<RuleCase>& cases) {
  cases.push_back({.rule = "config.scheme-disagrees",
                   .clean = nvfp4_with_groups,
                   .damage =
                       [](Tiny& tiny) {
                         Json& group = *tiny.block().find("config_groups")->find("group_0");
                         group.find("weights")->set("group_size", 32);
                       },
                   .says = "groups of 32"});
  cases.push_back({.rule = "config.scheme-disagrees",
                   .threads = {},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         tiny.block()
                             .find("config_groups")
                             ->find("group_0")
                             ->find("weights")
                             ->set("strategy", "tensor");
                       },
                   .says = "strategy"});
  cases.push_back({.rule = "config.scheme-disagrees",
                   .clean = int4,
                   .damage =
                       [](Tiny& tiny) {
                         Json& group = *tiny.block().find("config_groups")->find("group_0");
                         group.find("weights")->set("num_bits", 8);
                       },
                   .says = "element type"});
  cases.push_back({.rule = "config.format-disagrees",
                   .threads = {49},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         tiny.block().set("format", "pack-quantized");
                         tiny.block().find("config_groups")->find("group_0")->erase("format");
                       },
                   .says = "format"});
  cases.push_back({.rule = "config.stale-side-file",
                   .threads = {7},
                   .clean = nvfp4_moe,
                   .damage =
                       [](Tiny& tiny) {
                         tiny.files["hf_quant_config.json"] =
                             R"({"quantization": {"quant_algo": "FP8"}})";
                       },
                   .says = "FP8"});
  cases.push_back({.rule = "config.stale-side-file",
                   .threads = {},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         tiny.files["quantize_config.json"] = R"({"bits": 4, "group_size": 128})";
                       },
                   .says = "gptq"});
}

void add_ties(std::vector<RuleCase>& cases) {
  cases.push_back({.rule = "config.two-ties",
                   .threads = {15},
                   .clean = vlm,
                   .damage =
                       [](Tiny& tiny) {
                         const Json* inner = tiny.config.at({"llm_config", "tie_word_embeddings"});
                         const bool tied = inner != nullptr && inner->as_bool().value_or(false);
                         tiny.config.find("llm_config")->set("tie_word_embeddings", tied);
                         tiny.config.set("tie_word_embeddings", !tied);
                       },
                   .says = "tie_word_embeddings"});
  cases.push_back(
      with_key("tensor.tied-head-stored", {15}, llama, "tie_word_embeddings", true, "lm_head"));
  cases.push_back({.rule = "tensor.missing",
                   .threads = {15, 20},
                   .clean = llama,
                   .damage = [](Tiny& tiny) { tiny.tensors.erase("lm_head.weight"); },
                   .says = "lm_head"});
  cases.push_back(with_key("tensor.shape", {}, llama, "vocab_size", 65, "embed_tokens"));
  cases.push_back({.rule = "tensor.dtype",
                   .threads = {19},
                   .clean = ct,
                   .damage =
                       [](Tiny& tiny) {
                         std::erase_if(tiny.tensors, [](const auto& tensor) {
                           return tensor.first.ends_with("weight_scale");
                         });
                         tiny.config.erase("quantization_config");
                       },
                   .says = "no scales"});
  cases.push_back({.rule = "tensor.quantised-tower",
                   .threads = {30, 32},
                   .clean = [] { return Tiny::corpus(kVlm); },
                   .damage =
                       [](Tiny& tiny) {
                         const std::string tower = "vision_model.encoder.layers.0.mlp.fc1";
                         const std::string like = "language_model.model.layers.0.feed_forward.w1.";
                         tiny.tensors.erase(tower + ".weight");
                         for (const char* part : {"qweight", "qzeros", "scales"}) {
                           tiny.tensors[tower + "." + part] = tiny.tensors.at(like + part);
                         }
                       },
                   .says = "fc1"});
}

Tiny lmdeploy() { return Tiny::corpus(kLmdeploy); }

}  // namespace

std::vector<RuleCase> config_cases() {
  std::vector<RuleCase> cases;
  add_general(cases);
  add_blocks(cases);
  add_keys(cases);
  add_lists(cases);
  add_schemes(cases);
  add_ties(cases);
  cases.push_back(with_claim("lmdeploy.quant-dtype", {}, lmdeploy, "quant_dtype", "int8"));
  cases.push_back(with_claim("dialect.not-readable", {}, awq, "bits", 8, "'bits' is 8"));
  cases.push_back(with_claim("awq.version", {9}, awq, "version", "gemv", "gemv"));
  cases.push_back(with_claim("awq.group-size", {}, awq, "group_size", 64, "group_size"));
  cases.push_back(with_claim("awq.zero-point-flag", {}, awq, "zero_point", false, "zero_point"));
  return cases;
}

}  // namespace requant::testing_support
