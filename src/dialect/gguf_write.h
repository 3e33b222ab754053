#pragma once

#include "container/gguf_file.h"
#include "dialect/weight_file.h"

namespace requant {

// The GGUF file of a model: tensors under llama.cpp's names, experts in stacks, the rows of q and k
// in pairs, and the keys. From a GGUF file the keys and the order of tensors are those of the
// source. kRefused where llama.cpp has no name for a tensor or no key for what config.json says.
Result<FileLayout> gguf_file_layout(const FileRequest& request);

// The keys of the model itself: general.architecture and what config.json says of it.
Result<void> add_gguf_model(const Json& config, GgufKeyBytes& keys);

// tokenizer.ggml.*, from tokenizer.json and tokenizer_config.json, for `tokens` rows of the
// embedding. kRefused for a vocabulary that is no byte-level BPE, and for pieces that llama.cpp has
// no name for. Without tokenizer.json there is none.
Result<void> add_gguf_vocabulary(const FileRequest& request, std::int64_t tokens,
                                 GgufKeyBytes& keys);

}  // namespace requant
