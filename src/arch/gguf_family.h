#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace requant {

// How llama.cpp has a model family: "gguf" of data/architectures/NAME.json.
struct GgufFamily {
  std::string architecture;              // general.architecture
  std::string model_type;                // of config.json
  std::vector<std::string> model_types;  // all that mean the family
  std::string model_class;               // the first of its architectures
  bool rotary_pairs = false;     // the rows of q and k lie in the pairs that are rotated together
  Json values = Json::object();  // keys of config.json that are the same in every model
  std::vector<std::pair<std::string, std::string>> keys;     // of config.json, and of the file
  std::vector<std::pair<std::string, std::string>> modules;  // patterns: of the file, and its own

  // The module that a module of the file is; "{expert}" stands for each expert of a tensor of all.
  std::optional<std::string> module_of(std::string_view name) const;

  // What the file calls a module; an expert is one of a tensor of all.
  struct Name {
    std::string module;
    std::int64_t expert = -1;
  };
  std::optional<Name> name_of(std::string_view module) const;
};

// nullptr where no family has that general.architecture.
const GgufFamily* find_gguf_family(std::string_view architecture);
// That of a config.json's model_type; nullptr where no data say how llama.cpp has it.
const GgufFamily* find_gguf_family_of(std::string_view model_type);

}  // namespace requant
