#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "plan/stored_matrix.h"

namespace requant {

enum class Aspect : std::uint8_t { kWeight, kBias };

// The weights and biases of a checkpoint by module, quantised or not, each as one matrix or as a
// stack of them. Finds are valid as long as this and the checkpoint are.
class StoredModules {
 public:
  explicit StoredModules(const Checkpoint& checkpoint);

  bool has_weight(const std::string& module) const;
  bool is_quantised(const std::string& module) const { return weights_.contains(module); }

  // Nothing where the module has none. `stack` is the composition of a stack of experts, which
  // tells how one that is not quantised is stored; nullptr: the module is one matrix.
  Result<std::optional<StoredMatrix>> find(const std::string& module, Aspect aspect,
                                           const Composition* stack);

 private:
  std::unordered_map<std::string, const Weight*> weights_;
  std::unordered_map<std::string, const DenseTensor*> dense_;  // by the tensor's name
  std::deque<Weight> dense_weights_;
};

// kCorrupt unless the weight is that many matrices of that many rows.
Result<void> check_rows(const StoredMatrix& matrix, std::int64_t matrices, std::int64_t rows,
                        Aspect aspect);

// Which side of a composition rows are on: the holder's matrix or the member's own.
enum class Side : std::uint8_t { kHolder, kMembers };

// The rows of a member, from one side to the other. `to` differs from `from` in sizes alone: its
// further rows are left to padding. `source` is the matrix that the runs read.
void add_member_rows(const Composition& from, Side from_side, const Composition& to, Side to_side,
                     std::size_t member, std::size_t source, Assembly& assembly);

// Of the member's own matrix.
inline std::int64_t member_rows(const Composition& composition, std::size_t member) {
  return composition.members[member].rows * composition.times;
}

}  // namespace requant
