#include <gtest/gtest.h>

#include <limits>

#include "rule/testing.h"
#include "support/support.h"

namespace requant::testing_support {
namespace {

constexpr const char* kUp = "model.layers.0.mlp.up_proj";
constexpr const char* kExpert = "model.layers.0.mlp.experts.2.up_proj";
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tiny nvfp4() {
  Tiny tiny = Tiny::llama();
  tiny.make_nvfp4();
  return tiny;
}
Tiny divided() {
  Tiny tiny = Tiny::llama();
  tiny.make_nvfp4_divided();
  return tiny;
}
Tiny nvfp4_moe() {
  Tiny tiny = Tiny::moe();
  tiny.make_nvfp4();
  return tiny;
}
Tiny fp8() {
  Tiny tiny = Tiny::llama();
  tiny.make_fp8(true);
  return tiny;
}
Tiny fp8_cache() {
  Tiny tiny = fp8();
  for (const char* name : {"k_scale", "v_scale"}) {
    tiny.add_float(std::string("model.layers.0.self_attn.") + name, {0.02F}, {1});
  }
  tiny.block().set("kv_cache_scheme", Json::object({{"dynamic", false},
                                                    {"num_bits", 8},
                                                    {"strategy", "tensor"},
                                                    {"symmetric", true},
                                                    {"type", "float"}}));
  return tiny;
}
Tiny blocks() {
  Tiny tiny = Tiny::llama();
  tiny.make_fp8_blocks(128);
  tiny.block().set("scale_fmt", "ue8m0");
  return tiny;
}
Tiny int4() {
  Tiny tiny = Tiny::llama();
  tiny.make_int4(128);
  return tiny;
}

// GPTQ of 4 bits in groups of 128, symmetric: zero points of 8, stored as 7 by version 1.
Tiny gptq() {
  Tiny tiny = Tiny::llama();
  std::vector<std::string> modules;
  for (const auto& [name, tensor] : tiny.tensors) {
    if (name.ends_with("_proj.weight")) modules.push_back(name.substr(0, name.size() - 7));
  }
  for (const std::string& module : modules) {
    const Shape shape = tiny.tensors.at(module + ".weight").shape;
    tiny.tensors.erase(module + ".weight");
    tiny.add_bytes(module + ".qweight", DType::kI32, {shape[1] / 8, shape[0]});
    tiny.add_bytes(module + ".qzeros", DType::kI32, {shape[1] / 128, shape[0] / 8}, 0x77);
    tiny.add_dense(module + ".scales", {shape[1] / 128, shape[0]}, DType::kF16);
    tiny.fill(module + ".scales", 0x1C);
  }
  tiny.config.set("quantization_config", Json::object({{"bits", 4},
                                                       {"group_size", 128},
                                                       {"desc_act", false},
                                                       {"sym", true},
                                                       {"lm_head", false},
                                                       {"checkpoint_format", "gptq"},
                                                       {"quant_method", "gptq"}}));
  return tiny;
}

void every(Tiny& tiny, std::string_view end, const std::function<void(const std::string&)>& work) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tiny.tensors) {
    if (name.ends_with(end)) names.push_back(name);
  }
  for (const std::string& name : names) work(name);
}

std::function<void(Tiny&)> setting(std::string tensor, float value) {
  return [tensor = std::move(tensor), value](Tiny& tiny) { tiny.set_float(tensor, value); };
}

std::function<void(Tiny&)> claiming(std::string key, Json value) {
  return [key = std::move(key), value = std::move(value)](Tiny& tiny) {
    tiny.block().set(key, value);
  };
}

void add_values(std::vector<RuleCase>& cases) {
  const std::string up = kUp;
  const std::string expert = kExpert;
  cases.push_back({"scales.not-finite",
                   {16, 52},
                   fp8,
                   setting(up + ".weight_scale", kInfinity),
                   "up_proj.weight_scale"});
  cases.push_back({"scales.not-finite",
                   {16},
                   nvfp4,
                   [=](Tiny& tiny) { tiny.set_byte(up + ".weight_scale", 5, 0x7F); },
                   "up_proj.weight_scale"});
  cases.push_back({"scales.zero",
                   {16},
                   nvfp4_moe,
                   setting(expert + ".input_scale", 0),
                   "experts.2.up_proj.input_scale"});
  cases.push_back({"scales.zero",
                   {17},
                   nvfp4_moe,
                   [=](Tiny& tiny) {
                     every(tiny, "weight_scale",
                           [&](const std::string& name) { tiny.fill(name, 0); });
                   },
                   "is zero"});
  cases.push_back({"scales.zero",
                   {47},
                   nvfp4,
                   [=](Tiny& tiny) { tiny.set_byte(up + ".weight_scale", 3, 0); },
                   "beside others"});
  cases.push_back(
      {"lmdeploy.zero-scale",
       {},
       [] { return Tiny::corpus("lmdeploy__sq-fp8-v072__tiny-internlm2"); },
       [](Tiny& tiny) { tiny = Tiny::corpus("lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow"); },
       "are zero"});
  cases.push_back(
      {"scales.negative", {23}, fp8, setting(up + ".weight_scale", -1), "up_proj.weight_scale"});
  cases.push_back({"scales.subnormal",
                   {47},
                   fp8,
                   setting(up + ".weight_scale", 1e-40F),
                   "up_proj.weight_scale"});
  cases.push_back(
      {"scales.reciprocal-global", {46}, nvfp4, setting(up + ".weight_scale_2", 5000), "5000"});
  cases.push_back(
      {"scales.reciprocal-global", {46}, nvfp4, setting(up + ".input_scale", 330), "330"});
  // The same number under compressed-tensors' name, which divides by it.
  cases.push_back({"scales.reciprocal-global",
                   {46},
                   divided,
                   setting(up + ".weight_global_scale", 2e-4F),
                   "0.0002"});
  cases.push_back(
      {"scales.ue8m0", {37}, blocks, setting(up + ".weight_scale_inv", 0.003F), "up_proj"});
}

void add_limit(std::vector<RuleCase>& cases) {
  // Seven weights with two scales of 4 bytes each.
  cases.push_back({"scales.not-read",
                   {},
                   fp8,
                   [](Tiny& tiny) { tiny = fp8_cache(); },
                   "2 of 16",
                   {.scale_bytes = 56}});
}

void add_presence(std::vector<RuleCase>& cases) {
  const std::string up = kUp;
  const std::string attention = "model.layers.0.self_attn.";
  cases.push_back({"scales.incomplete-experts",
                   {16},
                   nvfp4_moe,
                   [](Tiny& tiny) { tiny.tensors.erase(std::string(kExpert) + ".input_scale"); },
                   "experts.2.up_proj"});
  cases.push_back({"modelopt.no-input-scale",
                   {16},
                   nvfp4_moe,
                   [](Tiny& tiny) { tiny.tensors.erase(std::string(kExpert) + ".input_scale"); },
                   "experts.2.up_proj"});
  cases.push_back({"dialect.contradiction",
                   {16, 36},
                   fp8,
                   [=](Tiny& tiny) { tiny.tensors.erase(up + ".input_scale"); },
                   "up_proj"});
  cases.push_back({"scales.lone-cache-scale",
                   {48},
                   fp8_cache,
                   [=](Tiny& tiny) { tiny.tensors.erase(attention + "v_scale"); },
                   "none of its"});
  cases.push_back({"scales.cache-names",
                   {48},
                   fp8_cache,
                   [=](Tiny& tiny) {
                     tiny.rename(attention + "k_scale", attention + "k_proj.k_scale");
                     tiny.rename(attention + "v_scale", attention + "v_proj.v_scale");
                   },
                   "k_proj.k_scale"});
  cases.push_back(
      {"scales.undeclared-cache", {48}, fp8_cache, claiming("kv_cache_scheme", Json()), "k_scale"});
  cases.push_back({"ct.kv-scales",
                   {48},
                   fp8,
                   [](Tiny& tiny) {
                     tiny.block().set("kv_cache_scheme",
                                      *fp8_cache().block().find("kv_cache_scheme"));
                   },
                   "no attention has a k_scale"});
  cases.push_back({"dialect.contradiction",
                   {47},
                   nvfp4,
                   [=](Tiny& tiny) {
                     tiny.add_bytes(up + ".weight_scale", DType::kF8E4M3, {256, 4}, 0x60);
                   },
                   "up_proj"});
  // Scales of one type under the name of the other: E4M3 as E8M0's bytes.
  cases.push_back({"dialect.contradiction",
                   {},
                   divided,
                   [=](Tiny& tiny) {
                     tiny.add_bytes(up + ".weight_scale", DType::kU8, {256, 8}, 0x60);
                   },
                   "weight_scale is U8"});
  cases.push_back({"fp8.block-size",
                   {},
                   blocks,
                   claiming("weight_block_size", Json::array({Json(64), Json(64)})),
                   "block"});
  cases.push_back({"ct.fake-quantised",
                   {},
                   fp8,
                   [=](Tiny& tiny) {
                     tiny.add_dense(up + ".weight", {256, 128});
                   },
                   "up_proj"});
}

void add_gptq(std::vector<RuleCase>& cases) {
  const std::string up = kUp;
  cases.push_back({"gptq.zero-version",
                   {45},
                   gptq,
                   [](Tiny& tiny) {
                     every(tiny, "qzeros", [&](const std::string& name) { tiny.fill(name, 0x88); });
                   },
                   "gptq_v2"});
  cases.push_back({"gptq.sym-flag",
                   {},
                   gptq,
                   [](Tiny& tiny) {
                     every(tiny, "qzeros",
                           [&](const std::string& name) { tiny.set_byte(name, 1, 0x35); });
                   },
                   "sym"});
  cases.push_back({"gptq.zero-version-unknown",
                   {45},
                   gptq,
                   [](Tiny& tiny) {
                     tiny.block().erase("checkpoint_format");
                     tiny.block().set("sym", false);
                     every(tiny, "qzeros",
                           [&](const std::string& name) { tiny.set_byte(name, 1, 0x35); });
                   },
                   "does not say"});
  cases.push_back({"gptq.zero-of-zero",
                   {},
                   gptq,
                   [](Tiny& tiny) {
                     tiny.block().set("sym", false);
                     every(tiny, "qzeros",
                           [&](const std::string& name) { tiny.set_byte(name, 1, 0xF5); });
                   },
                   "zero points of 0"});
  cases.push_back({"gptq.bits", {}, gptq, claiming("bits", 8), "bits"});
  cases.push_back({"gptq.group-size", {}, gptq, claiming("group_size", 64), "group_size"});
  cases.push_back({"gptq.lm-head", {}, gptq, claiming("lm_head", true), "lm_head"});
  cases.push_back(
      {"gptq.side-file",
       {},
       gptq,
       [](Tiny& tiny) { tiny.files["quantize_config.json"] = R"({"bits": 4, "group_size": 32})"; },
       "group_size"});
  cases.push_back({"gptq.desc-act",
                   {},
                   gptq,
                   [=](Tiny& tiny) {
                     every(tiny, "qweight", [&](const std::string& name) {
                       const std::int64_t inputs = tiny.tensors.at(name).shape[0] * 8;
                       const std::string g_idx = name.substr(0, name.size() - 7) + "g_idx";
                       tiny.add_bytes(g_idx, DType::kI32, {inputs}, 0);
                       if (inputs > 128) tiny.set_byte(g_idx, 0, 1);
                     });
                   },
                   "desc_act"});
}

// Codes of 4 bits, a byte each.
Tiny int4_in_bytes() {
  Tiny tiny = Tiny::llama();
  tiny.make_fp8(false);
  every(tiny, "_proj.weight", [&](const std::string& name) {
    tiny.add_bytes(name, DType::kI8, tiny.tensors.at(name).shape, 3);
    tiny.set_byte(name, 1, 0xFC);
  });
  Json* group = tiny.block().find("config_groups")->find("group_0");
  for (const char* key : {"weights", "input_activations"}) {
    group->find(key)->set("type", "int");
    group->find(key)->set("num_bits", std::string_view(key) == "weights" ? 4 : 8);
  }
  group->set("format", "int-quantized");
  tiny.block().set("format", "int-quantized");
  return tiny;
}

void add_codes(std::vector<RuleCase>& cases) {
  const std::string up = kUp;
  const RuleOptions deep = {.depth = Depth::kCodes};
  cases.push_back({"codes.constant",
                   {50},
                   int4,
                   [=](Tiny& tiny) { tiny.fill(up + ".weight_packed", 0x88); },
                   "0x88",
                   deep});
  cases.push_back({"codes.degenerate",
                   {50},
                   [] {
                     Tiny tiny = Tiny::llama(256, 512);
                     tiny.make_int4(128);
                     return tiny;
                   },
                   [=](Tiny& tiny) { tiny.fill(up + ".weight_packed", 0x88, 20000); },
                   "4 KiB",
                   deep});
  cases.push_back({"codes.not-finite",
                   {16, 52},
                   fp8,
                   [=](Tiny& tiny) { tiny.set_byte(up + ".weight", 1001, 0x7F); },
                   "up_proj.weight",
                   deep});
  cases.push_back({"codes.weights-not-finite",
                   {52},
                   int4,
                   [](Tiny& tiny) { tiny.fill("model.norm.weight", 0xFF); },
                   "model.norm.weight",
                   deep});
  cases.push_back({"codes.out-of-range",
                   {},
                   int4_in_bytes,
                   [=](Tiny& tiny) { tiny.set_byte(up + ".weight", 77, 100); },
                   "more bits",
                   deep});
}

}  // namespace

std::vector<RuleCase> scale_cases() {
  std::vector<RuleCase> cases;
  add_values(cases);
  add_presence(cases);
  add_limit(cases);
  add_gptq(cases);
  add_codes(cases);
  return cases;
}

}  // namespace requant::testing_support
