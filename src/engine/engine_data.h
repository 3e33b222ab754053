#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/check.h"
#include "engine/predicate.h"

namespace requant {

// What a rule that holds means for the checkpoint (data/engines/README.md, "verdict").
enum class Effect : std::uint8_t {
  kReject,
  kRejectUnlessMet,  // no, with the way out named: a plugin, a flag, a package, a key
  kDegrade,          // yes, with a finding
  kAccept,           // yes, nothing to say
};
std::optional<Effect> effect_named(std::string_view verdict);

struct EngineRule {
  std::string id;
  std::string stage;
  std::string verdict;
  Effect effect = Effect::kReject;
  std::vector<std::string> methods;  // empty: every method, and none
  Predicate when;
  std::string message;  // what the engine prints, with {names} to fill in
  std::string reason;
  std::string src;  // "file:line, file:line"
  std::vector<std::string> fixes;

  bool is_for(std::string_view method) const;
};

// One row of an ordered dispatch: the first that holds is taken.
struct SchemeRow {
  Predicate when;
  std::string scheme;  // empty: rejected
  std::string reject;
  int min_capability = 0;
  std::string src;
};

struct KernelRow {
  std::string name;
  int min_capability = 0;
  std::vector<Predicate> rejects;
};

// quant_method in the config -> the method that the engine makes of it.
struct Override {
  std::string from;
  std::string to;  // empty: unquantised
  Predicate when;
  std::string src;
};

struct EngineData {
  EngineId id;
  std::string source;
  std::string platform;  // "cuda", "cpu"
  int capability = 0;    // what capability checks see on a platform without GPUs; 0: the device's
  std::vector<EngineRule> rules;
  std::vector<SchemeRow> schemes;
  std::vector<SchemeRow> moe_schemes;
  std::vector<KernelRow> kernels;
  std::vector<Override> overrides;
  Json json;  // everything else is looked up where it is needed

  // The words at these keys; empty where there are none.
  std::string text_at(std::initializer_list<std::string_view> keys) const;
  std::vector<std::string> texts_at(std::initializer_list<std::string_view> keys) const;
};

// kCorrupt for data that do not follow data/engines/README.md.
Result<EngineData> parse_engine_data(std::string_view text);

// From the files built in; parsed on first use. kUsage for an engine that is not known.
Result<std::shared_ptr<const EngineData>> load_engine(const EngineId& id);

// Strings of a JSON array; empty for everything else.
std::vector<std::string> texts_of(const Json* json);

}  // namespace requant
