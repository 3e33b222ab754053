#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

struct Plan;
class Checkpoint;

// How much each input of a weight matters: the mean of its squares in llama.cpp's calibration, by
// llama.cpp's name of the tensor. From a file of llama-imatrix, of one of two kinds:
//
//   GGUF   NAME.in_sum2 F32 [matrices, inputs], divided by NAME.counts F32 [matrices, 1]
//   older  i32 entries; each: i32 length, name, i32 calls, i32 numbers, F32 numbers, divided by
//          the calls; what follows the entries is not looked at
class Importance {
 public:
  // kCorrupt for a file that is neither, kRefused for numbers below 0 and such as are none.
  static Result<Importance> read(const std::filesystem::path& file);

  // F32 [cols] of matrix `index`, of `tensor`; nothing where the file has none. kRefused where it
  // has another number of them.
  Result<std::optional<Tensor>> find(std::string_view tensor, std::int64_t index,
                                     std::int64_t cols) const;

 private:
  std::map<std::string, std::vector<float>, std::less<>> by_tensor_;
};

// Gives each step that rounds as ggml does the importance of its inputs. kRefused where none of
// them has one.
Result<void> add_importance(const Checkpoint& checkpoint, const Importance& importance, Plan& plan);

}  // namespace requant
