#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "requant/finding.h"
#include "requant/result.h"

namespace requant {

// One engine version that check_checkpoint() knows.
struct EngineEntry {
  std::string name;    // "vllm@0.7.3"
  std::string source;  // "vllm==0.7.3 wheel from PyPI"
};
std::vector<EngineEntry> engines();

struct CheckOptions {
  // 90 for sm_90; 0: not stated, then the capability that is needed is reported.
  int capability = 0;
  int tensor_parallel = 1;
  // What the processor that serves has, for engines on processors: "amx", or less: "avx512",
  // "avx2"; empty: not stated, then one with AVX-512 is taken, and reported if it needs that.
  std::string cpu;
  int timeout_seconds = 20;  // for a server to answer, where the checkpoint is behind an address
  // Tokens of one sequence for the estimate of memory; 0: no estimate.
  std::int64_t context = 0;
};

// "sm_90", "90" or "9.0" -> 90; kUsage for anything else.
Result<int> parse_capability(std::string_view text);

// What each of the GPUs holds; not counted: activations, graphs, the engine's own buffers.
struct MemoryNeed {
  std::uint64_t weight_bytes = 0;
  bool cache_known = false;
  std::uint64_t cache_bytes = 0;  // keys and values of one sequence of CheckOptions::context tokens
};

// Versions of one engine that give the same verdict, oldest first.
struct EngineSpan {
  std::string engine;
  std::string since;
  std::string until;
  std::string verdict;  // "yes", "no", "unknown"
  std::string reason;   // why not; empty: yes
};

// One way out of a "no".
struct CheckRepair {
  // "config-edit", "convert" (nothing is lost), "flag", "version" (another one of the engine),
  // "lossy-convert".
  std::string kind;
  std::string what;                 // a command, or words
  std::vector<std::string> losses;  // of a conversion: names; also those that hang on the numbers
};

struct CheckResult {
  std::string verdict;       // "yes", "no", "unknown"
  std::string engine;        // "vllm"
  std::string version;       // "0.7.3"
  std::string method;        // the engine's quantisation method; empty: unquantised
  std::string summary;       // one sentence
  int needs_capability = 0;  // the lowest that serves, where none was stated; 0: not known
  // "avx512" or "amx", where no processor was stated and not every one serves.
  std::string needs_cpu;
  // Errors first; the rules "edit.*" judge what people try by hand.
  std::vector<Finding> findings;
  std::vector<CheckRepair> repairs;        // of a "no", the cheapest first
  std::vector<EngineSpan> other_versions;  // of the same engine, where the verdict differs
  std::optional<MemoryNeed> memory;
};

// Will this engine load and run the checkpoint: from headers, config and the engine's rules alone,
// no tensor data are read. `path` may be an https:// or hf:// address. `engine` is "vllm@0.7.3";
// kUsage names those that are known.
Result<CheckResult> check_checkpoint(const std::filesystem::path& path, std::string_view engine,
                                     const CheckOptions& options = {});

// Where it runs: every engine and version that is known.
struct CheckMatrix {
  std::vector<EngineSpan> spans;  // engine by engine
  std::optional<MemoryNeed> memory;
};
Result<CheckMatrix> check_everywhere(const std::filesystem::path& path,
                                     const CheckOptions& options = {});

// "schema": "requant/check-matrix/1".
std::string to_json(const CheckMatrix& matrix);
// "schema": "requant/check/1".
std::string to_json(const CheckResult& result);
// "schema": "requant/engines/1".
std::string to_json(const std::vector<EngineEntry>& engines);

}  // namespace requant
