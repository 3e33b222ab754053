#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "requant/finding.h"
#include "requant/result.h"

namespace requant {

struct InspectOptions {
  bool tensors = false;      // list every tensor
  bool deep = false;         // read every byte: all scales, and the codes
  int timeout_seconds = 20;  // for a server to answer, where the checkpoint is behind an address
};

// Modules that differ in the numbers of layers and experts only, and are stored alike.
struct InspectGroup {
  std::string modules;  // "language_model.model.layers.*.attention.wqkv"
  std::uint64_t count = 0;
  std::vector<std::string> names;  // the modules; of what is not quantised, the tensors
  std::string role;                // "linear"
  std::string tower;               // "language"
  bool quantised = false;
  std::string scheme;               // "e4m3fn channel, scale F32", or a dtype: "BF16"
  std::string activations;          // "e4m3fn dynamic per token"; "none"
  std::string codec;                // empty where not quantised
  std::vector<std::int64_t> shape;  // of the weight of the first, decoded
  std::uint64_t elements = 0;       // of all
  std::uint64_t bytes = 0;          // as stored, scales included
};

struct InspectTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
  std::string file;
};

struct InspectFile {
  std::string name;
  std::uint64_t bytes = 0;
};

// What a quantization block of config.json says.
struct InspectClaim {
  std::string where;   // "llm_config.quantization_config"
  std::string method;  // "smooth_quant"
  std::string text;    // "quant_dtype float8_e4m3fn"
};

// What is really in the files of a checkpoint.
struct Inspection {
  std::filesystem::path path;
  std::string container;

  std::string architecture;
  bool architecture_known = false;
  std::string architecture_source;

  std::string dialect;
  std::string dialect_long_name;
  bool readable = true;  // false: the dialect is recognised, and its weights cannot be read yet
  std::vector<std::string> evidence;

  std::string writer;  // empty: not known
  std::string writer_version;
  std::vector<std::string> writer_evidence;

  std::vector<InspectClaim> claims;

  std::uint64_t tensor_count = 0;
  std::uint64_t bytes = 0;       // of all tensors
  std::uint64_t parameters = 0;  // elements of all weights, decoded; 0 where not readable
  std::uint64_t quantised_weights = 0;
  std::uint64_t quantised_parameters = 0;
  std::uint64_t quantised_bytes = 0;
  double bits_per_weight = 0;            // of all parameters
  double bits_per_quantised_weight = 0;  // scales included

  std::vector<InspectGroup> groups;  // the quantised first
  std::vector<InspectFile> weight_files;
  std::vector<std::string> side_files;
  std::vector<InspectTensor> tensors;  // only when asked for
  std::vector<Finding> findings;       // errors first
};

// `path` may be an https:// or hf:// address. Headers, small files and small tensors of scales
// only, unless options.deep. What is wrong inside a readable container is a finding; an Error is
// for what cannot be read at all.
Result<Inspection> inspect(const std::filesystem::path& path, const InspectOptions& options = {});

// "schema": "requant/inspect/1"; keys in a fixed order.
std::string to_json(const Inspection& inspection);

// Text from files as terminals may have it: control characters, escape sequences and invalid UTF-8
// as \xNN.
std::string visible(std::string_view text);

}  // namespace requant
