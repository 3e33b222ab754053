#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "base/json.h"
#include "container/container.h"

namespace requant {

// The keys of a GGUF file as config.json would have them: {"model_type": "gguf", "gguf": {KEY:
// VALUE}}. "gguf" is no family of data/architectures, so names are only guessed at.
Json gguf_config(const Source& source);

// The value of a key; null where there is none.
Json gguf_key(const Source& source, const std::string& key);

// What is wrong with the keys of a GGUF file, by themselves and against its tensors: what llama.cpp
// stops at, and what it reads past the end of.
std::vector<Finding> check_gguf(const Source& source);

// Elements of a row of a tensor, whatever its blocks.
std::int64_t gguf_row_elements(const TensorInfo& tensor);

}  // namespace requant
