#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "dialect/dialect.h"
#include "plan/scheme_name.h"

namespace requant {

// What --to asks for: DIALECT[@LAYOUT][:SCHEME].
struct Target {
  const Dialect* dialect = nullptr;           // never null once parsed
  std::string scheme;                         // "int8", "bf16"; empty: the source's own
  std::optional<SchemeRequest> request = {};  // `scheme` of a dialect that quantises

  const NamedLayout* layout = nullptr;  // nullptr: the one that the dialect chooses

  bool names_blocks = false;  // `scheme` is a mix of block types (plan/block_recipe.h)
  bool keeps_bits = false;    // integers of more bits than `request` has stay what they are

  bool is_dense() const;
  // In which it writes a weight of that scheme; nullptr when it cannot hold it.
  const Codec* codec_for(const Scheme& wanted) const;
};

// kUsage for a dialect or scheme that is not known, kRefused for a dialect that is only read.
Result<Target> parse_target(std::string_view text);

// True where the scheme is the one that was asked for, or none was.
bool has_named_scheme(const Target& target, const Scheme& scheme);

// The dtype of weights that are stored unquantised: the one asked for, else the config's own.
DType dense_dtype(const Target& target, const Json& config);

}  // namespace requant
