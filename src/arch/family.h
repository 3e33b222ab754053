#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/architecture.h"

namespace requant {

// The matrices of other modules that one matrix holds (arch/composition.h).
struct HoldsRow {
  struct Member {
    std::string name;  // after the holder's parent: "k_proj", "{expert}.gate_proj"
    std::string rows;  // an expression
  };
  std::vector<Member> members;
  std::string times = "1";  // an expression
  bool transposed = false;
};

// One module of a family, as data/architectures states it.
struct ModuleRow {
  std::string pattern;  // "model.layers.{layer}.self_attn.q_proj"
  Role role = Role::kUnknown;
  std::optional<Tower> tower;      // nothing: that of the part
  std::string fused;               // "qkv_proj": the last component of the matrix it is loaded into
  std::vector<std::string> shape;  // expressions (arch/dimension.h); empty: not known
  enum class Required { kNo, kYes, kUntied } required = Required::kNo;
  std::optional<HoldsRow> holds;
};

// A key of config.json and what its value has to be.
struct ConfigRow {
  std::string key;
  std::string kind;  // a name of arch/config_kind.h
  bool required = false;
  std::int64_t max = 0;  // 0: no bound
  std::string of;        // for "divides": the other key
};

// A sub-model with a config of its own.
struct PartRow {
  std::string prefix;  // "language_model"; may be empty
  // First components of the family's names that are others here: "model" -> "model.language_model".
  std::vector<std::pair<std::string, std::string>> names;
  std::string config;  // "llm_config"
  bool flat = false;   // older config.json have the keys of that object at the top level
  Tower tower = Tower::kLanguage;
  std::string architecture;  // the family where the sub-config names none that is known
};

// One file of data/architectures, with what it inherits merged in.
struct Family {
  std::string name;
  std::vector<std::string> architectures;
  std::vector<std::string> model_types;
  std::string source;
  bool compared = false;
  bool tied_by_default = false;
  std::map<std::string, std::string, std::less<>> defaults;
  std::vector<std::string> experts;
  std::vector<PartRow> parts;
  std::vector<ConfigRow> config;
  std::vector<ModuleRow> modules;
};

// All families built in. A broken data file is our own mistake: the program stops and names it.
std::span<const Family> families();

const Family* family_named(std::string_view name);
const Family* family_of_architecture(std::string_view architecture);
const Family* family_of_model_type(std::string_view model_type);

}  // namespace requant
