#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "fix/documents.h"

namespace requant {

struct FixOptions {
  bool nest = false;  // the block into the language model's config too
};

// What repairs work on.
struct RepairScene {
  const Checkpoint& checkpoint;
  const std::vector<Finding>& findings;
  const FixOptions& options;
  Documents& documents;

  // The finding of that rule; nullptr when there is none.
  const Finding* find(std::string_view rule) const;
  bool any(std::initializer_list<std::string_view> rules) const;

  // The block as edited so far, wherever it stands; nullptr when there is none.
  Json* block() const;
};

// One kind of edit: one .cpp that exports one constant. They run in the order of the list, each on
// what those before it left.
struct Repair {
  std::string_view name;
  std::string_view answers;  // the rules that ask for it, separated by spaces
  Result<void> (*apply)(RepairScene& scene);
};
std::span<const Repair* const> repairs();

// The block that the dialect's writer states for the tensors as they are; null where there is no
// writer, or it cannot state them.
Json written_block(const RepairScene& scene);
// The files beside config.json that it writes.
std::map<std::string, Json> written_side_files(const RepairScene& scene);

}  // namespace requant
