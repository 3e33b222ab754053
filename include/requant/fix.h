#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "requant/finding.h"
#include "requant/result.h"

namespace requant {

struct FixRequest {
  std::filesystem::path input;  // a folder
  std::filesystem::path out;    // empty, and not in place: nothing is written
  bool in_place = false;
  bool nest = false;  // state the quantisation in the language model's config too
};

// One difference in a metadata file.
struct FixEdit {
  std::string file;    // "config.json"
  std::string key;     // "quantization_config.ignore"; empty: the whole file
  std::string before;  // JSON in one line; empty: not there
  std::string after;   // the same
};

struct FixReport {
  std::filesystem::path input;
  std::filesystem::path written;  // empty: a dry run
  std::vector<FixEdit> edits;
  std::vector<Finding> answered;  // what the edits answer
  std::vector<Finding> left;      // what they do not
};

// Mends the metadata of a checkpoint: config.json, the side files that state a quantisation, the
// index. No tensor is touched; with `out` the weights are hard links where that is possible. In
// place, what is replaced stays as NAME.orig.
Result<FixReport> fix(const FixRequest& request);

// "schema": "requant/fix/1".
std::string to_json(const FixReport& report);

}  // namespace requant
