#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/finding.h"
#include "base/json.h"
#include "base/result.h"
#include "container/container.h"

namespace requant {

struct ConfigFile {
  Json json;
  bool is_ascii = true;  // no byte beyond ASCII: what is not was written as \uXXXX
};

// config.json of a folder; nothing where there is none.
Result<std::optional<ConfigFile>> read_config(const Folder& folder);

// The small JSON files that say something of the quantisation or the model, by name. A broken one
// is an error finding, and left out.
std::map<std::string, Json> read_side_files(const Folder& folder, std::vector<Finding>& findings);

// Plain files of the folder but the weights and their index, sorted.
Result<std::vector<std::string>> other_files(const Folder& folder, const Source& source);

// What a checkpoint folder may have by a name that is known: what a server is asked for that does
// not list its files.
std::vector<std::string> usual_file_names();

}  // namespace requant
