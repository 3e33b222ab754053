#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace requant {

// What of a model's config.json transformers 4 loses, in words: "rope_theta 500000.0". Empty:
// nothing.
std::string rope_that_4_loses(const Json& config);

// The number of experts is there under the name of transformers 5 alone.
bool lacks_num_experts(const Json& config);

// Where compressed-tensors states how values are quantised, and keys of it that 0.13 brought.
inline constexpr std::string_view kCtArguments[] = {"weights", "input_activations",
                                                    "output_activations"};
inline constexpr std::string_view kNewerCtKeys[] = {"scale_dtype", "zp_dtype"};

// The first of these keys that is null; empty: none is.
std::string newer_null_key(const Json& block);

// How the tokenizer classes begin that only transformers 5 has.
inline constexpr std::string_view kNewTokenizer = "TokenizersBackend";

}  // namespace requant
