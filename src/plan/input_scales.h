#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

// Static activation scales by module: an input is divided by its module's scale, and a code of it
// is multiplied by that. From a file of one of two kinds:
//
//   JSON         {"model.layers.0.mlp.up_proj": 0.0123, ...}, read as F32
//   safetensors  one tensor of one F32, BF16 or F16 a module, called MODULE.input_scale; what has
//                another name is not looked at, so another checkpoint's weights will do
//
// In JSON too a name may end in ".input_scale".
class InputScales {
 public:
  // kRefused, naming the module, for a scale that is no positive finite number, and for a file
  // without any.
  static Result<InputScales> read(const std::filesystem::path& file);

  // [1]; nullptr when the file has none for the module.
  const Tensor* find(std::string_view module) const;

 private:
  std::map<std::string, Tensor, std::less<>> scales_;
};

}  // namespace requant
