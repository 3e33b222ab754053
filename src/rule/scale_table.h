#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// What a tensor of scales is for.
enum class ScaleUse : std::uint8_t {
  kWeight,  // of the weight's blocks, rows or whole
  kOuter,   // NVFP4's global scale
  kInput,   // of static activations
  kCache,   // of keys, values and attention
};

// How a tensor's name ends, and what that means.
struct ScaleName {
  std::string_view suffix;
  ScaleUse use;
  bool divides = false;  // the stored number is the reciprocal of the factor
};
// nullptr for what is no scale by its name.
const ScaleName* scale_named(std::string_view suffix);

// One tensor of scales, summed up.
struct ScaleFacts {
  const TensorInfo* tensor = nullptr;
  std::string_view module;  // that it belongs to
  std::string_view suffix;  // "weight_scale_2"
  const ScaleName* name = nullptr;
  const Weight* weight = nullptr;  // nullptr: beside the weights
  bool is_read = false;            // false: too large to be read without --deep

  std::uint64_t count = 0;
  std::uint64_t zero = 0;
  std::uint64_t negative = 0;
  std::uint64_t not_finite = 0;
  std::uint64_t subnormal = 0;
  std::uint64_t not_power_of_two = 0;
  double smallest = 0;  // magnitude of the smallest and largest that are finite and not 0
  double largest = 0;
  double first = 0;
};

// All tensors of scales of a checkpoint. They are read smallest first, up to `bytes` and, where
// that is a limit, kTensors of them.
class ScaleTable {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{16} << 20;
  static constexpr std::size_t kTensors = 4096;

  static Result<ScaleTable> read(const Checkpoint& checkpoint, std::uint64_t bytes);

  const std::vector<ScaleFacts>& all() const { return all_; }
  std::size_t not_read() const;
  // The facts of that tensor of that module; nullptr when there is none, or it was not read.
  const ScaleFacts* find(std::string_view module, std::string_view suffix) const;

 private:
  std::vector<ScaleFacts> all_;
  std::vector<std::uint32_t> read_;  // places of those that were read, by module and suffix
};

// Fills everything from `count` on. Tensors of other types than floats, 8-bit floats and E8M0 keep
// a count of 0.
Result<void> sum_up(const Source& source, ScaleFacts& facts);

}  // namespace requant
