#include "rule/testing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>

#include "container/writer.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant::testing_support {
namespace fs = std::filesystem;
namespace {

// Test data that cannot be made end the test program.
template <class T>
void require(const Result<T>& result) {
  if (result) return;
  (void)std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::abort();
}

template <class T>
T must(Result<T> result) {
  require(result);
  return *std::move(result);
}

Tensor of_bytes(DType dtype, Shape shape, const std::function<std::uint8_t(std::size_t)>& byte_at) {
  TensorBuilder builder = must(TensorBuilder::make(dtype, std::move(shape)));
  const auto bytes = builder.bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte{byte_at(i)};
  return std::move(builder).finish();
}

Tensor changed(const Tensor& tensor, const std::function<void(std::span<std::byte>)>& change) {
  TensorBuilder builder = must(TensorBuilder::make(tensor.dtype, tensor.shape));
  std::memcpy(builder.bytes().data(), tensor.bytes.data(), tensor.bytes.size());
  change(builder.bytes());
  return std::move(builder).finish();
}

std::string without_weight(const std::string& name) {
  return name.substr(0, name.size() - std::string_view(".weight").size());
}

// The language Linears that tools quantise.
std::vector<std::string> linears(const Tiny& tiny) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : tiny.tensors) {
    const bool is_linear = name.ends_with("_proj.weight") && tensor.shape.size() == 2;
    if (is_linear) out.push_back(without_weight(name));
  }
  return out;
}

Json ct_block(std::string_view format, const Json& weights, const Json& inputs) {
  Json group = Json::object({{"format", format},
                             {"input_activations", inputs},
                             {"output_activations", Json()},
                             {"targets", Json::array({Json("Linear")})},
                             {"weights", weights}});
  return Json::object({{"config_groups", Json::object({{"group_0", std::move(group)}})},
                       {"format", format},
                       {"ignore", Json::array({Json("lm_head")})},
                       {"kv_cache_scheme", Json()},
                       {"quant_method", "compressed-tensors"},
                       {"quantization_status", "compressed"},
                       {"version", "0.15.0"}});
}

Json ct_args(int bits, std::string_view type, std::string_view strategy, bool dynamic) {
  return Json::object({{"dynamic", dynamic},
                       {"group_size", Json()},
                       {"num_bits", bits},
                       {"strategy", strategy},
                       {"symmetric", true},
                       {"type", type}});
}

void ignore_routers(Tiny& tiny) {
  for (const auto& [name, tensor] : tiny.tensors) {
    if (name.ends_with("mlp.gate.weight")) {
      tiny.block().find("ignore")->append(without_weight(name));
    }
  }
}

}  // namespace

Tiny Tiny::corpus(std::string_view name, bool tensors) {
  Tiny tiny;
  const fs::path folder = data_dir() / "corpus" / name;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    const bool is_weights = file == "model.safetensors";
    if (file == "config.json") {
      tiny.config = must(parse_json(read_file(entry.path())));
    } else if (!is_weights || !tensors) {
      tiny.files[file] = read_file(entry.path());
    }
  }
  if (!tensors) return tiny;
  const Source source = must(open_source(folder));
  for (const TensorInfo& info : source.tensors()) tiny.tensors[info.name] = must(source.read(info));
  return tiny;
}

Tiny Tiny::llama(std::int64_t hidden, std::int64_t intermediate) {
  Tiny tiny;
  tiny.config = must(parse_json(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
      "hidden_act": "silu", "num_attention_heads": 2, "num_key_value_heads": 2,
      "num_hidden_layers": 1, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "vocab_size": 64,
      "max_position_embeddings": 64, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "bos_token_id": 0, "eos_token_id": 1})"));
  tiny.config.set("hidden_size", hidden);
  tiny.config.set("intermediate_size", intermediate);
  const std::string layer = "model.layers.0.";
  tiny.add_dense("model.embed_tokens.weight", {64, hidden});
  tiny.add_dense("lm_head.weight", {64, hidden});
  tiny.add_dense("model.norm.weight", {hidden});
  tiny.add_dense(layer + "input_layernorm.weight", {hidden});
  tiny.add_dense(layer + "post_attention_layernorm.weight", {hidden});
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    tiny.add_dense(layer + "self_attn." + name + ".weight", {hidden, hidden});
  }
  tiny.add_dense(layer + "mlp.gate_proj.weight", {intermediate, hidden});
  tiny.add_dense(layer + "mlp.up_proj.weight", {intermediate, hidden});
  tiny.add_dense(layer + "mlp.down_proj.weight", {hidden, intermediate});
  tiny.files = {{"tokenizer.json", "{}"},
                {"tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})"},
                {"generation_config.json", "{}"},
                {"chat_template.jinja", "{{ messages }}"},
                {"README.md", "made from nothing"}};
  return tiny;
}

Tiny Tiny::moe() {
  constexpr std::int64_t kSize = 128;
  Tiny tiny = llama(kSize, kSize);
  tiny.config.set("architectures", Json::array({Json("Qwen3MoeForCausalLM")}));
  tiny.config.set("model_type", "qwen3_moe");
  tiny.config.set("head_dim", 64);
  for (const char* key : {"num_experts", "num_experts_per_tok", "moe_intermediate_size"}) {
    tiny.config.set(key, std::string_view(key) == "num_experts" ? 4 : 2);
  }
  tiny.config.set("moe_intermediate_size", kSize);
  const std::string mlp = "model.layers.0.mlp.";
  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
    tiny.tensors.erase(mlp + name + ".weight");
    for (int expert = 0; expert < 4; ++expert) {
      tiny.add_dense(mlp + "experts." + std::to_string(expert) + "." + name + ".weight",
                     {kSize, kSize});
    }
  }
  tiny.add_dense(mlp + "gate.weight", {4, kSize});
  for (const char* name : {"q_norm", "k_norm"}) {
    tiny.add_dense(std::string("model.layers.0.self_attn.") + name + ".weight", {64});
  }
  return tiny;
}

void Tiny::add_dense(const std::string& name, Shape shape, DType dtype) {
  TensorBuilder builder = must(TensorBuilder::make(dtype, std::move(shape)));
  const auto phase = static_cast<double>(std::hash<std::string>()(name) % 1000);
  const auto values = builder.as<std::uint16_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<float>(0.05 * std::sin(phase + 0.7 * static_cast<double>(i)));
    values[i] = dtype == DType::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
  }
  tensors[name] = std::move(builder).finish();
}

void Tiny::add_bytes(const std::string& name, DType dtype, Shape shape, int byte) {
  tensors[name] = of_bytes(dtype, std::move(shape), [&](std::size_t i) {
    constexpr std::size_t kStep = 37;  // all nibbles come up
    return static_cast<std::uint8_t>(byte < 0 ? i * kStep % 120 : static_cast<std::size_t>(byte));
  });
}

void Tiny::add_float(const std::string& name, std::vector<float> values, Shape shape) {
  TensorBuilder builder = must(TensorBuilder::make(DType::kF32, std::move(shape)));
  std::ranges::copy(values, builder.as<float>().begin());
  tensors[name] = std::move(builder).finish();
}

void Tiny::fill(const std::string& name, int byte, std::size_t count) {
  tensors.at(name) = changed(tensors.at(name), [&](std::span<std::byte> bytes) {
    std::ranges::fill(bytes.first(std::min(count, bytes.size())), static_cast<std::byte>(byte));
  });
}

void Tiny::set_byte(const std::string& name, std::size_t at, int byte) {
  tensors.at(name) = changed(tensors.at(name), [&](std::span<std::byte> bytes) {
    bytes[at] = static_cast<std::byte>(byte);
  });
}

void Tiny::set_float(const std::string& name, float value) {
  const Tensor& old = tensors.at(name);
  add_float(name, std::vector<float>(static_cast<std::size_t>(old.elements()), value), old.shape);
}

void Tiny::rename(const std::string& from, const std::string& to) {
  auto node = tensors.extract(from);
  node.key() = to;
  tensors.insert(std::move(node));
}

void Tiny::make_nvfp4() {
  for (const std::string& module : linears(*this)) {
    const Shape shape = tensors.at(module + ".weight").shape;
    add_bytes(module + ".weight", DType::kU8, {shape[0], shape[1] / 2});
    add_bytes(module + ".weight_scale", DType::kF8E4M3, {shape[0], shape[1] / 16}, 0x60);
    add_float(module + ".weight_scale_2", {2e-4F}, {});
    add_float(module + ".input_scale", {3e-3F}, {});
  }
  config.set("quantization_config", Json::object({{"ignore", Json::array({Json("lm_head")})},
                                                  {"quant_algo", "NVFP4"},
                                                  {"quant_method", "modelopt"}}));
  ignore_routers(*this);
}

void Tiny::make_nvfp4_divided() {
  for (const std::string& module : linears(*this)) {
    const Shape shape = tensors.at(module + ".weight").shape;
    tensors.erase(module + ".weight");
    add_bytes(module + ".weight_packed", DType::kU8, {shape[0], shape[1] / 2});
    add_bytes(module + ".weight_scale", DType::kF8E4M3, {shape[0], shape[1] / 16}, 0x60);
    add_float(module + ".weight_global_scale", {5e3F}, {1});
  }
  Json weights = ct_args(4, "float", "tensor_group", false);
  weights.set("group_size", 16);
  config.set("quantization_config", ct_block("nvfp4-pack-quantized", weights, Json()));
  ignore_routers(*this);
}

void Tiny::make_fp8(bool is_static) {
  for (const std::string& module : linears(*this)) {
    add_bytes(module + ".weight", DType::kF8E4M3, tensors.at(module + ".weight").shape);
    add_float(module + ".weight_scale", {2e-3F}, {1});
    if (is_static) add_float(module + ".input_scale", {2e-2F}, {1});
  }
  const Json inputs = ct_args(8, "float", is_static ? "tensor" : "token", !is_static);
  config.set("quantization_config",
             ct_block("float-quantized", ct_args(8, "float", "tensor", false), inputs));
  ignore_routers(*this);
}

void Tiny::make_fp8_blocks(std::int64_t block_size) {
  for (const std::string& module : linears(*this)) {
    const Shape shape = tensors.at(module + ".weight").shape;
    add_bytes(module + ".weight", DType::kF8E4M3, shape);
    const auto blocks = [&](std::int64_t size) { return (size + block_size - 1) / block_size; };
    const Shape grid = {blocks(shape[0]), blocks(shape[1])};
    add_float(module + ".weight_scale_inv",
              std::vector<float>(static_cast<std::size_t>(grid[0] * grid[1]), 0.001953125F), grid);
  }
  config.set("quantization_config",
             Json::object({{"activation_scheme", "dynamic"},
                           {"quant_method", "fp8"},
                           {"weight_block_size", Json::array({Json(block_size), Json(block_size)})},
                           {"modules_to_not_convert", Json::array({Json("lm_head")})}}));
}

void Tiny::make_int4(std::int64_t group) {
  for (const std::string& module : linears(*this)) {
    const Shape shape = tensors.at(module + ".weight").shape;
    tensors.erase(module + ".weight");
    add_bytes(module + ".weight_packed", DType::kI32, {shape[0], shape[1] / 8});
    const Shape grid = {shape[0], shape[1] / group};
    add_dense(module + ".weight_scale", grid);
    fill(module + ".weight_scale", 0x3B);  // 0.002855 in BF16
    TensorBuilder sizes = must(TensorBuilder::make(DType::kI64, {2}));
    sizes.as<std::int64_t>()[0] = shape[0];
    sizes.as<std::int64_t>()[1] = shape[1];
    tensors[module + ".weight_shape"] = std::move(sizes).finish();
  }
  Json weights = ct_args(4, "int", "group", false);
  weights.set("group_size", group);
  config.set("quantization_config", ct_block("pack-quantized", weights, Json()));
  ignore_routers(*this);
}

void Tiny::write(const fs::path& folder) const {
  fs::create_directories(folder);
  if (!config.is_null()) write_file(folder / "config.json", config.dump(2));
  if (!tensors.empty()) {
    std::vector<PlannedTensor> planned;
    for (const auto& [name, tensor] : tensors) {
      planned.push_back({name, tensor.dtype, tensor.shape});
    }
    auto writer = must(SafetensorsWriter::create(folder / "model.safetensors", planned, metadata));
    for (const auto& [name, tensor] : tensors) {
      require(writer.fill(name, 0, tensor.bytes.span()));
    }
    require(writer.finish());
  }
  for (const auto& [name, bytes] : files) write_file(folder / name, bytes);
}

Result<std::vector<Finding>> findings_of(const fs::path& folder, const RuleOptions& options) {
  RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(folder, {.lenient = true}));
  std::vector<Finding> findings(checkpoint.findings().begin(), checkpoint.findings().end());
  RQ_TRY(auto more, run_rules(checkpoint, options));
  std::ranges::move(more, std::back_inserter(findings));
  return findings;
}

std::vector<RuleCase> rule_cases() {
  std::vector<RuleCase> all;
  for (auto& list : {file_cases(), config_cases(), scale_cases(), model_cases()}) {
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

void PrintTo(const RuleCase& rule_case, std::ostream* out) { *out << rule_case.rule; }

}  // namespace requant::testing_support
