#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace requant {

// The value of a config key, or nothing when it is missing or no positive integer.
using KeyValue = std::function<std::optional<std::int64_t>(std::string_view key)>;

// "num_attention_heads*head_dim+2*num_key_value_heads*head_dim": whole numbers and keys with +, *
// and
// /, products before sums. Nothing when a key has no value, on overflow, and for a division that is
// not whole.
std::optional<std::int64_t> evaluate_dimension(std::string_view expression,
                                               const KeyValue& value_of);

}  // namespace requant
