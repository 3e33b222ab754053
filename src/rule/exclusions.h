#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// One entry of a list that names modules.
struct Exclusion {
  std::string where;    // "quantization_config.modules_to_not_convert"
  std::string text;     // the entry
  std::string example;  // a module that it is about, where one was found
};

// The entries of the lists by which configs leave modules unquantised, but for compressed-tensors'
// `ignore`, which its dialect judges.
class Exclusions {
 public:
  explicit Exclusions(const Checkpoint& checkpoint);

  // Those that no engine's way of comparing finds a module for.
  const std::vector<Exclusion>& stale() const { return stale_; }
  // Those that only a comparison of substrings finds modules for.
  const std::vector<Exclusion>& substrings() const { return substrings_; }

 private:
  std::vector<Exclusion> stale_;
  std::vector<Exclusion> substrings_;
};

// Entries of compressed-tensors' `targets` that match no module; the example is one that engines
// load under that name.
std::vector<Exclusion> stale_targets(const Checkpoint& checkpoint);

// The head that is tied to the embedding where compressed-tensors' `targets` cover it, `ignore`
// does not, and no file holds it quantised; else empty.
std::string unlisted_tied_head(const Checkpoint& checkpoint);

}  // namespace requant
