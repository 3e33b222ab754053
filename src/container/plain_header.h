#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "container/container.h"

namespace requant {

struct PlainHeader {
  std::vector<TensorInfo> tensors;  // offsets count from the begin of the data
  std::map<std::string, std::string> metadata;
};

// The JSON of a safetensors header as every writer spells it. Nothing where anything at all is
// unusual or wrong: the reader that knows the whole grammar then says what. A name that comes twice
// is not noticed here.
std::optional<PlainHeader> read_plain_header(std::string_view json);

}  // namespace requant
