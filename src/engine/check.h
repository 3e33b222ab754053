#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "base/json.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace requant {

// "vllm@0.7.3" -> {"vllm", "0.7.3"}. Any version that is not older than all that are known.
struct EngineId {
  std::string engine;
  std::string version;
};
Result<EngineId> parse_engine(std::string_view text);  // kUsage, naming the engines known

struct EngineInfo {
  EngineId id;
  std::string source;  // "vllm==0.7.3 wheel from PyPI"
};
// Every version whose sources were read, engine by engine, oldest first.
std::vector<EngineInfo> known_engines();

struct EngineRange {
  std::string engine;
  std::string oldest;
  std::string newest;
  std::vector<std::string> versions;
};
std::vector<EngineRange> known_ranges();
// kUsage for an engine that is not known.
Result<EngineRange> range_of(const std::string& engine);

enum class Verdict { kYes, kNo, kUnknown };
std::string_view name_of(Verdict verdict);

struct Device {
  int capability = 0;  // 90 for sm_90; 0: not stated
  int tensor_parallel = 1;
  // Of the processor that serves: "amx", or less: "avx512", "avx2"; empty: not stated.
  std::string cpu = {};
};
// What is taken for an unstated processor.
inline constexpr std::string_view kUsualCpu = "avx512";

// What an engine would be given: a checkpoint that exists, or one that a plan would write.
struct Subject {
  std::filesystem::path path;  // for messages and repair commands
  const Json& config;
  const Architecture& architecture;
  std::string container;            // "safetensors", "pytorch"
  std::string dialect;              // by the tensors
  std::span<const Weight> weights;  // parts may lack TensorInfos' files: names and shapes
  std::span<const DenseTensor> dense;
  // Plain names of what lies in the folder beside the weights; nothing: not known.
  std::optional<std::vector<std::string>> files = std::nullopt;
  std::string weight_file = {};  // the name of one of them; empty where it is not known
};
Subject subject_of(const Checkpoint& checkpoint);

struct CheckReport {
  Verdict verdict = Verdict::kUnknown;
  EngineId engine;
  std::string method;   // the engine's quantisation method after its own detection; empty: none
  std::string summary;  // one sentence
  // The lowest GPU capability on which this loads, where no device was stated; 0: not known.
  int needs_capability = 0;
  // "avx512" or "amx", where no processor was stated and one without it does not do.
  std::string needs_cpu = {};
  std::vector<Finding>
      findings;  // the reasons, errors first; degradations; edits that will not help
};

// kUsage for an engine or version that is not known.
Result<CheckReport> check(const Subject& subject, const EngineId& engine, const Device& device);

}  // namespace requant
