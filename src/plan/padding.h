#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// A size of config.json that becomes larger: the further rows or columns of every matrix that has
// it are zeros.
struct GrownSize {
  std::string key;  // "intermediate_size"
  std::int64_t from = 0;
  std::int64_t to = 0;
};

// What --pad-for-tp does: the sizes of the MLPs that do not divide by `ranks` times the largest
// group or block of rows or columns that shares a scale (at least 128, which Marlin's and CUTLASS's
// tiles want). Empty where all divide. Without `all`, only sizes of quantised weights count.
//   kRefused  a family that is not known, and a matrix of such a size whose place is not known.
Result<std::vector<GrownSize>> plan_padding(const Checkpoint& checkpoint, std::int64_t ranks,
                                            bool all);

// config.json with the new sizes, of the language model alone.
Json with_sizes(const Checkpoint& checkpoint, const std::vector<GrownSize>& sizes);

// What the receipt of a checkpoint says of this.
std::vector<GrownSize> grown_sizes(const Checkpoint& checkpoint);
Json sizes_json(const std::vector<GrownSize>& sizes);

}  // namespace requant
