#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plan/recipe.h"
#include "plan/stored_modules.h"
#include "plan/target.h"

namespace requant {

// What becomes of matrices that hold those of several modules.
enum class Structure : std::uint8_t { kAsStored, kSplit, kMerged };
struct LayoutRequest {
  Structure fused = Structure::kAsStored;    // q/k/v or gate/up in one matrix
  Structure experts = Structure::kAsStored;  // all experts of a layer in one tensor
  friend bool operator==(const LayoutRequest&, const LayoutRequest&) = default;
};
// "split-fused", "merge-fused", "split-experts", "merge-experts"; kUsage for other words.
Result<LayoutRequest> parse_layout(const std::vector<std::string>& words);

// A weight or bias of the result that is put together from rows of others.
struct Regrouped {
  // As the source's numbers make it: no parts, and the scheme before any conversion. `rows` are
  // those of all experts.
  Weight weight;
  bool is_stack = false;
  bool is_vector = false;                  // a bias
  bool transposed = false;                 // where it is stored unquantised: [inputs, outputs]
  std::vector<const TensorInfo*> sources;  // the tensors that it is made from
  std::uint32_t step = 0;                  // index into Plan::weights

  std::int64_t matrices() const { return is_stack ? weight.experts : 1; }
  std::int64_t matrix_rows() const { return weight.rows / matrices(); }
  // The name of its tensor of that suffix. Those of a stack are parameters of the module of experts
  // itself: "gate_up_proj", "gate_up_proj_scales".
  std::string tensor_name(std::string_view suffix) const;
};

// One matrix of a result.
struct AssembledMatrix {
  std::uint32_t result = 0;  // index into Regrouping::results
  std::int64_t index = 0;    // in the stack
  Assembly assembly;
};

// Matrices that are read together, and what they become.
struct RegroupRound {
  std::vector<StoredMatrix> sources;
  std::vector<AssembledMatrix> results;
};

// Rounds that one thread does one after the other: those of one stack.
struct RegroupJob {
  std::vector<RegroupRound> rounds;
};

struct Regrouping {
  std::optional<StoredModules> stored;  // keeps the sources that are not quantised
  std::deque<Regrouped> results;
  std::vector<RegroupJob> jobs;
  std::set<const TensorInfo*> taken;  // by `results`: no tensors of the result themselves
  bool changes_structure = false;     // names or sizes differ from the source's
};

struct RegroupRequest {
  const Target& target;
  LayoutRequest layout;
  const Recipe* recipe = nullptr;
  const Json* padded_config = nullptr;  // config.json of the result, where sizes in it change
};

// From headers alone. kRefused where the target cannot hold the structure, kCorrupt where a
// matrix has not the rows that config.json and architecture give it.
Result<Regrouping> regroup(const Checkpoint& checkpoint, const RegroupRequest& request);

}  // namespace requant
