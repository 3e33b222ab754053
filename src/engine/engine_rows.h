#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
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
  std::string method;  // of method_schemes: whose row it is
  Predicate when;
  std::string scheme;  // empty: rejected
  std::string reject;
  int min_capability = 0;
  std::string src;
};

struct KernelRow {
  std::string name;
  std::string platform;  // "cuda", "cpu"
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

// kCorrupt for rows that do not follow data/engines/README.md. `src` is left to the caller: it
// moves from version to version.
Result<EngineRule> parse_rule(const Json& json);
Result<SchemeRow> parse_scheme(const Json& json);
Result<KernelRow> parse_kernel(const Json& json);
Result<Override> parse_override(const Json& json);

// Strings of a JSON array; empty for everything else.
std::vector<std::string> texts_of(const Json* json);
// The integer at a key; 0 where there is none.
int int_of(const Json& json, std::string_view key);

}  // namespace requant
