#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace requant {

// Symmetric 4-bit weights in the order in which the Marlin kernel reads them. AutoGPTQ and AutoAWQ
// store the same words under different names:
//
//   codes   I32  [in / 16, 2 x out]  tiles of 16 x 16, permuted by 1024 codes
//   scales  F16  [groups, out]       permuted by 64, with one group by 32
//
// W = (code - 8) x scale. Groups are of 128 inputs or the whole row.
struct MarlinNames {
  std::string_view codec;
  std::string_view codes;
  std::string_view scales;
};

bool marlin_holds(const Scheme& scheme);
std::optional<Scheme> marlin_scheme_of(const MarlinNames& names, const WeightParts& parts,
                                       const Scheme& declared);
Result<QuantizedWeight> marlin_decode(const MarlinNames& names, const WeightParts& parts,
                                      const Scheme& scheme);
Result<std::vector<PartSpec>> marlin_layout(const MarlinNames& names, const Scheme& scheme,
                                            std::int64_t rows, std::int64_t cols);
Result<WeightParts> marlin_encode(const MarlinNames& names, const QuantizedWeight& weight);

}  // namespace requant
