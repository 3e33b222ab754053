#pragma once

#include <optional>

#include "checkpoint/checkpoint.h"

namespace requant {

// Everything that an open checkpoint knows. It stays where it is: `facts` refers to its neighbours,
// weights and dense tensors to `source`.
struct Checkpoint::State {
  std::filesystem::path root;
  std::shared_ptr<const Folder> folder;
  bool whole = true;  // all of the model's weights: a folder or an index, not one file of many
  bool has_config = false;
  Json config = Json::object();
  bool config_is_ascii = true;
  std::map<std::string, Json> side;
  Source source;
  Architecture architecture = Architecture::of(Json::object());
  std::optional<Facts> facts;

  const Dialect* dialect = nullptr;
  std::vector<std::string> evidence;
  bool readable = true;  // false: the dialect is only recognised (lenient)
  std::vector<Weight> weights;
  std::vector<DenseTensor> dense;
  std::vector<Finding> findings;
  std::vector<std::string> files;
  State* kept_before = nullptr;  // of a program that keeps all of them
};

}  // namespace requant
