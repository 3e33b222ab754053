#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// One difference between two states of a file.
struct Edit {
  std::string file;    // "config.json"
  std::string key;     // "llm_config.quantization_config"; empty: the whole file
  std::string before;  // as JSON in one line; empty: not there
  std::string after;   // the same
};

// The JSON files of a checkpoint while they are mended.
class Documents {
 public:
  explicit Documents(const Checkpoint& checkpoint);

  Json& config() { return now_["config.json"]; }
  // nullptr where there is none, or it is broken.
  Json* find(std::string_view name);
  void write(std::string_view name, Json json) { now_[std::string(name)] = std::move(json); }
  void remove(std::string_view name) { now_.erase(std::string(name)); }

  std::vector<Edit> edits() const;
  // Files whose content changed, as they are to be written.
  std::map<std::string, std::string> changed() const;
  std::vector<std::string> removed() const;

 private:
  std::map<std::string, Json> was_;
  std::map<std::string, Json> now_;
  bool is_ascii_;
};

}  // namespace requant
