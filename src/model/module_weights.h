#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "kernel/run_matrix.h"

namespace requant {

// One weight as it is multiplied, with what is done to its inputs.
struct ModuleMatrix {
  kernel::RunMatrix matrix;
  Activations activations;
  float input_scale = 0;  // of static activations
  float input_zero = 0;
};

// The weights of a checkpoint by module, each for itself, however the checkpoint stores it: alone,
// as rows of a fused matrix, in a stack of experts.
class ModuleWeights {
 public:
  explicit ModuleWeights(const Checkpoint& checkpoint);

  bool has(const std::string& module) const;
  // kCorrupt where the module has no weight.
  Result<ModuleMatrix> matrix(const std::string& module);
  // As F32; empty where there is none.
  Result<std::vector<float>> bias(const std::string& module);
  // The weight of a norm. kCorrupt where there is none.
  Result<std::vector<float>> norm(const std::string& module);

 private:
  // Rows of a stored weight: all of them, or those of a member.
  struct Place {
    std::string holder;
    std::vector<std::int64_t> rows;  // empty: all
  };
  std::optional<Place> place_of(const std::string& module, std::string_view suffix) const;
  bool stores(const std::string& module, std::string_view suffix) const;
  Result<ModuleMatrix> quantised(const Weight& weight, const std::vector<std::int64_t>& rows);
  Result<Tensor> rows_of(const DenseTensor& tensor, const std::vector<std::int64_t>& rows,
                         const std::string& module);

  const Checkpoint& checkpoint_;
  std::unordered_map<std::string, const Weight*> weights_;
  std::unordered_map<std::string, const DenseTensor*> dense_;  // by the tensor's name
  // The holder that was read last: its members come one after the other.
  std::string read_;
  QuantizedWeight read_weight_;
  Tensor read_tensor_;
};

}  // namespace requant
