#pragma once

#include <optional>
#include <string_view>

#include "codec/codec.h"

namespace requant {

// The tensors of a weight as one codec stores them, and what they are.
struct StoredWeight {
  const WeightParts& parts;
  const Scheme& scheme;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  // What may come out, by name: a large tensor that does is found here rather than written again.
  const WeightParts* expected = nullptr;
};

// A way from one codec's tensors to another's that leaves the codes packed, for a weight whose
// scheme stays. Each has its inverse in the table, so that a result can be checked by taking it
// back.
struct DirectPath {
  std::string_view from;
  std::string_view to;
  // Just what decoding and encoding give. Nothing where the tensors are not those that `from` would
  // write, or where they hold what has no direct way: decode() then tells what is wrong.
  Result<std::optional<WeightParts>> (*repack)(const StoredWeight& weight) = nullptr;
};

std::span<const DirectPath> direct_paths();

// nullptr when there is none.
const DirectPath* find_direct_path(std::string_view from, std::string_view to);

// repack(), and the same tensors found again on the way back.
Result<std::optional<WeightParts>> repack_checked(const DirectPath& path,
                                                  const StoredWeight& weight);

// Two codecs that store the codes and scales of a row in the same bytes, under these names.
// Whatever else belongs to a weight belongs to all its rows.
struct SameRows {
  std::string_view from;
  std::string_view to;
  std::string_view from_codes;
  std::string_view to_codes;
  std::string_view from_scales;
  std::string_view to_scales;
};

std::span<const SameRows> same_rows();
const SameRows* find_same_rows(std::string_view from, std::string_view to);

}  // namespace requant
