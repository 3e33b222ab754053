// Fusion, parallelism, side files, generations of libraries, and the dialects that need no tensors.

#include <gtest/gtest.h>

#include "rule/testing.h"

namespace requant::testing_support {
namespace {

const std::string kLayer = "model.layers.0.";

Tiny llama() { return Tiny::llama(); }
Tiny nvfp4() {
  Tiny tiny = Tiny::llama();
  tiny.make_nvfp4();
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
Tiny int4() {
  Tiny tiny = Tiny::llama();
  tiny.make_int4(64);
  return tiny;
}
// A projection of q, k and v that is one matrix on disk, with a scale for each part.
Tiny fused_fp8() {
  Tiny tiny = fp8();
  for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
    for (const char* part : {".weight", ".weight_scale", ".input_scale"}) {
      tiny.tensors.erase(kLayer + "self_attn." + name + part);
    }
  }
  const std::string fused = kLayer + "self_attn.qkv_proj";
  tiny.add_bytes(fused + ".weight", DType::kF8E4M3, {384, 128});
  tiny.add_float(fused + ".weight_scale", {2e-3F, 3e-3F, 4e-3F}, {3});
  tiny.add_float(fused + ".input_scale", {2e-2F}, {1});
  return tiny;
}

void unquantise(Tiny& tiny, const std::string& module, Shape shape) {
  std::erase_if(tiny.tensors,
                [&](const auto& tensor) { return tensor.first.starts_with(module + "."); });
  tiny.add_dense(module + ".weight", std::move(shape));
}

void add_fusion(std::vector<RuleCase>& cases) {
  cases.push_back({"fusion.mixed-scheme",
                   {24},
                   fp8,
                   [](Tiny& tiny) {
                     unquantise(tiny, kLayer + "self_attn.k_proj", {128, 128});
                   },
                   "k_proj is BF16"});
  cases.push_back(
      {"fusion.unequal-globals",
       {21},
       nvfp4,
       [](Tiny& tiny) { tiny.set_float(kLayer + "mlp.gate_proj.weight_scale_2", 5e-4F); },
       "0.0005"});
  cases.push_back({"fusion.unequal-scales",
                   {22},
                   fp8,
                   [](Tiny& tiny) { tiny.set_float(kLayer + "mlp.gate_proj.weight_scale", 5e-4F); },
                   "0.0005"});
  cases.push_back({"fusion.unequal-inputs",
                   {22},
                   fp8,
                   [](Tiny& tiny) { tiny.set_float(kLayer + "mlp.gate_proj.input_scale", 0.5F); },
                   "0.5"});
  cases.push_back({"fusion.unset-slot",
                   {23},
                   fused_fp8,
                   [](Tiny& tiny) {
                     tiny.add_float(kLayer + "self_attn.qkv_proj.weight_scale",
                                    {2e-3F, -3.4028235e38F, 4e-3F}, {3});
                   },
                   "qkv_proj.weight_scale"});
  cases.push_back({"fusion.mixed-experts",
                   {47},
                   nvfp4_moe,
                   [](Tiny& tiny) {
                     const std::string expert = kLayer + "mlp.experts.3.up_proj";
                     tiny.add_bytes(expert + ".weight", DType::kF8E4M3, {128, 128});
                     tiny.add_float(expert + ".weight_scale", {2e-3F}, {});
                     tiny.tensors.erase(expert + ".weight_scale_2");
                   },
                   "experts.3.up_proj"});
  cases.push_back({"fusion.router",
                   {13},
                   nvfp4_moe,
                   [](Tiny& tiny) {
                     const std::string router = kLayer + "mlp.gate";
                     tiny.add_bytes(router + ".weight", DType::kU8, {4, 64});
                     tiny.add_bytes(router + ".weight_scale", DType::kF8E4M3, {4, 8}, 0x60);
                     tiny.add_float(router + ".weight_scale_2", {2e-4F}, {});
                     tiny.add_float(router + ".input_scale", {3e-3F}, {});
                   },
                   "mlp.gate"});
}

void add_parallel(std::vector<RuleCase>& cases) {
  // 29568 / 128 = 231 groups, as of the model of the thread, in small.
  cases.push_back({"parallel.groups",
                   {25, 26},
                   [] {
                     Tiny tiny = Tiny::llama(128, 2048);
                     tiny.make_int4(128);
                     return tiny;
                   },
                   [](Tiny& tiny) {
                     tiny = Tiny::llama(128, 21 * 128);
                     tiny.make_int4(128);
                   },
                   "its 21 groups of 128"});
  cases.push_back({"parallel.blocks",
                   {28, 29},
                   [] {
                     Tiny tiny = Tiny::llama(128, 2048);
                     tiny.make_fp8_blocks(128);
                     return tiny;
                   },
                   [](Tiny& tiny) {
                     tiny = Tiny::llama(128, 12 * 128 + 64);
                     tiny.make_fp8_blocks(128);
                   },
                   "its 13 blocks of 128"});
  cases.push_back({"parallel.marlin-tiles",
                   {27},
                   int4,
                   [](Tiny& tiny) {
                     tiny = Tiny::llama(64, 256);
                     tiny.make_int4(64);
                   },
                   "64]"});
  cases.push_back({"parallel.heads",
                   {25},
                   llama,
                   [](Tiny& tiny) {
                     tiny.config.set("num_attention_heads", 9);
                     tiny.config.set("head_dim", 16);
                   },
                   "9 attention heads"});
}

void without(Tiny& tiny, std::string_view start) {
  std::erase_if(tiny.files, [&](const auto& file) { return file.first.starts_with(start); });
}

void add_side_files(std::vector<RuleCase>& cases) {
  cases.push_back({"side.no-tokenizer",
                   {35},
                   llama,
                   [](Tiny& tiny) { without(tiny, "tokenizer"); },
                   "tokenizer"});
  cases.push_back({"side.no-processor",
                   {35},
                   [] {
                     Tiny tiny = Tiny::corpus("lmdeploy__awq-v072__tiny-internvl25");
                     tiny.config.erase("auto_map");
                     tiny.files["preprocessor_config.json"] = "{}";
                     return tiny;
                   },
                   [](Tiny& tiny) { without(tiny, "preprocessor"); },
                   "preprocessor_config.json"});
  cases.push_back({"side.no-generation-config",
                   {35},
                   llama,
                   [](Tiny& tiny) { without(tiny, "generation"); },
                   "generation_config.json"});
  cases.push_back({"side.no-chat-template",
                   {35},
                   llama,
                   [](Tiny& tiny) { without(tiny, "chat_template"); },
                   "chat_template"});
  for (const char* broken :
       {"{% for message in messages %}", "{{ messages[0].content }", "{{ tool() }}"}) {
    cases.push_back({"side.broken-chat-template",
                     {35},
                     llama,
                     [broken](Tiny& tiny) { tiny.files["chat_template.jinja"] = broken; },
                     "chat_template.jinja"});
  }
  cases.push_back(
      {"side.no-card", {}, llama, [](Tiny& tiny) { without(tiny, "README"); }, "model card"});
}

RuleOptions engine(std::optional<int> transformers) {
  return {.engine = EngineNeeds{.name = "vllm 0.13.0", .transformers_major = transformers}};
}

void add_drift(std::vector<RuleCase>& cases) {
  for (const auto& options : {RuleOptions(), engine(4), engine(std::nullopt)}) {
    cases.push_back({"drift.rope",
                     {},
                     llama,
                     [](Tiny& tiny) {
                       tiny.config.erase("rope_theta");
                       tiny.config.set("rope_parameters", Json::object({{"rope_theta", 500000.0},
                                                                        {"rope_type", "default"}}));
                     },
                     "rope_theta",
                     options});
    cases.push_back({"drift.num-experts",
                     {},
                     [] { return Tiny::moe(); },
                     [](Tiny& tiny) {
                       tiny.config.erase("num_experts");
                       tiny.config.set("num_local_experts", 4);
                     },
                     "num_local_experts",
                     options});
    cases.push_back({"drift.dtype",
                     {},
                     llama,
                     [](Tiny& tiny) {
                       tiny.config.erase("torch_dtype");
                       tiny.config.set("dtype", "bfloat16");
                     },
                     "torch_dtype",
                     options});
    cases.push_back({"drift.tokenizer-class",
                     {},
                     llama,
                     [](Tiny& tiny) {
                       tiny.files["tokenizer_config.json"] =
                           R"({"tokenizer_class": "TokenizersBackend"})";
                     },
                     "TokenizersBackend",
                     options});
  }
  cases.push_back({"drift.null-keys",
                   {},
                   int4,
                   [](Tiny& tiny) {
                     Json& group = tiny.block().find("config_groups")->members().front().second;
                     group.find("weights")->set("zp_dtype", Json());
                   },
                   "zp_dtype"});
}

Tiny auto_round() {
  Tiny tiny = Tiny::corpus("autoawq__gemm-w4g128__tiny_llama");
  tiny.config.set("quantization_config", Json::object({{"bits", 4},
                                                       {"group_size", 128},
                                                       {"sym", false},
                                                       {"data_type", "int"},
                                                       {"packing_format", "auto_round:auto_awq"},
                                                       {"autoround_version", "0.5.1"},
                                                       {"quant_method", "auto-round"}}));
  return tiny;
}

void add_dialects(std::vector<RuleCase>& cases) {
  cases.push_back({"auto-round.scheme",
                   {},
                   auto_round,
                   [](Tiny& tiny) { tiny.block().set("bits", 8); },
                   "bits"});
  cases.back().says = "";
  cases.push_back({"auto-round.packing-format",
                   {},
                   auto_round,
                   [](Tiny& tiny) { tiny.block().set("packing_format", "auto_round:auto_gptq"); },
                   "packing_format"});
  cases.push_back({"bitsandbytes.not-quantised",
                   {},
                   llama,
                   [](Tiny& tiny) {
                     tiny.config.set(
                         "quantization_config",
                         Json::object({{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}}));
                   },
                   ""});
  cases.push_back(
      {"dialect.not-readable",
       {5, 9},
       llama,
       [](Tiny& tiny) {
         tiny.config.set("quantization_config", Json::object({{"quant_method", "eetq"}}));
         for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
           const std::string module = kLayer + "mlp." + name;
           const Shape shape = tiny.tensors.at(module + ".weight").shape;
           tiny.add_bytes(module + ".weight", DType::kI8, {shape[1], shape[0]});
           tiny.add_dense(module + ".weight_scales", {shape[0]});
         }
       },
       "eetq"});
}

}  // namespace

std::vector<RuleCase> model_cases() {
  std::vector<RuleCase> cases;
  add_fusion(cases);
  add_parallel(cases);
  add_side_files(cases);
  add_drift(cases);
  add_dialects(cases);
  return cases;
}

}  // namespace requant::testing_support
