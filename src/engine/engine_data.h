#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/check.h"
#include "engine/engine_rows.h"

namespace requant {

// What one version of one engine accepts.
struct EngineData {
  EngineId id;
  std::string source;
  std::string platform;  // "cuda", "cpu"
  int capability = 0;    // what capability checks see on a platform without GPUs; 0: the device's
  std::vector<EngineRule> rules;
  std::vector<SchemeRow> schemes;
  std::vector<SchemeRow> moe_schemes;
  std::vector<SchemeRow> method_schemes;  // of other methods than compressed-tensors
  std::vector<KernelRow> kernels;
  std::vector<Override> overrides;
  Json json;  // everything else is looked up where it is needed

  // The words at these keys; empty where there are none.
  std::string text_at(std::initializer_list<std::string_view> keys) const;
  std::vector<std::string> texts_at(std::initializer_list<std::string_view> keys) const;
};

// From the files built in; parsed on first use. kUsage for an engine that is not known, or a
// version whose sources were not read.
Result<std::shared_ptr<const EngineData>> load_engine(const EngineId& id);

// The versions that were read on either side of one that was not.
struct Neighbours {
  std::string before;  // the version itself where it was read
  std::string after;   // empty: newer than all that were read
  bool exact = false;
};
// kUsage for an engine that is not known and for a version older than all that were read.
Result<Neighbours> neighbours_of(const EngineId& id);

}  // namespace requant
