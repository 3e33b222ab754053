#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "arch/dimension.h"
#include "base/json.h"

namespace requant {

// How the language model of a config.json is computed: "forward" of data/architectures/NAME.json.
struct ForwardRows {
  std::string source;
  // Module patterns by what they do: "query" -> "model.layers.{layer}.self_attn.q_proj".
  std::map<std::string, std::string, std::less<>> modules;
  // Facts that no key of config.json says: "router" -> "renormalised".
  std::map<std::string, std::string, std::less<>> facts;
};

// nullptr where the family of that name has no such rows of its own. Modules and facts of the
// family that is inherited come first.
const ForwardRows* find_forward_rows(std::string_view family);

// The same for one checkpoint: under the names and the config of the model's language part.
struct ForwardPart {
  std::string family;
  const ForwardRows* rows = nullptr;                             // nullptr: not known
  std::map<std::string, std::string, std::less<>> modules = {};  // with the part's prefix
  const Json* config = nullptr;                                  // of the part, inside the whole
  KeyValue value_of;  // its positive integers, with the family's defaults
  bool tied_by_default = false;
};

// The language models that a config.json may describe, as they are computed: one, but for models
// whose tensors have several spellings. `config` has to outlive the result.
std::vector<ForwardPart> forward_parts(const Json& config);

}  // namespace requant
