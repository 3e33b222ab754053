#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "base/json.h"
#include "rule/run.h"

namespace requant::testing_support {

// A tiny checkpoint in memory, to be damaged and written.
struct Tiny {
  Json config;
  std::map<std::string, Tensor> tensors;  // written as model.safetensors; none: not at all
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  std::map<std::string, std::string> files;  // all others, by name

  // A corpus folder of tests/data with its tensors; `tensors` false: the weight files as they are.
  static Tiny corpus(std::string_view name, bool tensors = true);
  // A Qwen3-MoE of one layer, four experts and 128 inputs, unquantised, made from nothing.
  static Tiny moe();
  // Llama of one layer.
  static Tiny llama(std::int64_t hidden = 128, std::int64_t intermediate = 256);

  // Values of a sine with a phase of the name's hash.
  void add_dense(const std::string& name, Shape shape, DType dtype = DType::kBF16);
  void add_bytes(const std::string& name, DType dtype, Shape shape, int byte = -1);  // -1: mixed
  void add_float(const std::string& name, std::vector<float> values, Shape shape);
  void fill(const std::string& name, int byte, std::size_t count = SIZE_MAX);  // the first ones
  void set_byte(const std::string& name, std::size_t at, int byte);            // one
  void set_float(const std::string& name, float value);  // all of an F32 tensor
  void rename(const std::string& from, const std::string& to);
  Json& block() { return *config.find("quantization_config"); }

  // Every language Linear but the head in that dialect.
  void make_nvfp4();              // ModelOpt
  void make_nvfp4_divided();      // compressed-tensors, weights only: its outer scale divides
  void make_fp8(bool is_static);  // compressed-tensors, one scale a tensor
  void make_fp8_blocks(std::int64_t block);
  void make_int4(std::int64_t group);  // compressed-tensors pack-quantized, symmetric

  void write(const std::filesystem::path& folder) const;
};

// What inspect reports of a folder: the findings of opening and of the rules.
Result<std::vector<Finding>> findings_of(const std::filesystem::path& folder,
                                         const RuleOptions& options = {});

// A rule, a checkpoint on which it is silent and the damage that makes it speak.
struct RuleCase {
  std::string rule;
  std::vector<int> threads = {};  // numbers of docs/threads.md
  std::function<Tiny()> clean;
  std::function<void(Tiny&)> damage;
  std::string says = {};  // a part of the finding's message, or of the error where opening stops
  RuleOptions options = {};
  std::string opens = {};  // the file to open, instead of the folder
};

std::vector<RuleCase> file_cases();
std::vector<RuleCase> config_cases();
std::vector<RuleCase> scale_cases();
std::vector<RuleCase> model_cases();
std::vector<RuleCase> rule_cases();  // all of these

// What GoogleTest calls a case.
void PrintTo(const RuleCase& rule_case, std::ostream* out);

}  // namespace requant::testing_support
