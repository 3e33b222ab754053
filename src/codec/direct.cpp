#include "codec/direct.h"

#include <algorithm>
#include <array>

#include "codec/direct_awq.h"
#include "codec/direct_gptq.h"

namespace requant {
namespace {

constexpr auto kPaths = std::to_array<DirectPath>({
    {"awq-gemm", "ct-pack", awq_to_ct_pack},
    {"ct-pack", "awq-gemm", ct_pack_to_awq},
    {"gptq", "ct-pack", gptq_to_ct_pack<GptqZeros::kFieldMinusOne>},
    {"ct-pack", "gptq", ct_pack_to_gptq<GptqZeros::kFieldMinusOne>},
    {"gptq-words", "ct-pack", gptq_to_ct_pack<GptqZeros::kWordMinusOne>},
    {"ct-pack", "gptq-words", ct_pack_to_gptq<GptqZeros::kWordMinusOne>},
    {"gptq-v2", "ct-pack", gptq_to_ct_pack<GptqZeros::kAsIs>},
    {"ct-pack", "gptq-v2", ct_pack_to_gptq<GptqZeros::kAsIs>},
});

constexpr auto kSameRows = std::to_array<SameRows>({
    {"modelopt-nvfp4", "ct-nvfp4", "weight", "weight_packed", "weight_scale", "weight_scale"},
    {"ct-nvfp4", "modelopt-nvfp4", "weight_packed", "weight", "weight_scale", "weight_scale"},
    {"mx-weight-scale", "ct-mxfp4", "weight", "weight_packed", "weight_scale", "weight_scale"},
    {"ct-mxfp4", "mx-weight-scale", "weight_packed", "weight", "weight_scale", "weight_scale"},
    {"mx-weight-scale", "ct-mxfp8", "weight", "weight", "weight_scale", "weight_scale"},
    {"ct-mxfp8", "mx-weight-scale", "weight", "weight", "weight_scale", "weight_scale"},
});

template <class Entry>
const Entry* find(std::span<const Entry> table, std::string_view from, std::string_view to) {
  const auto found = std::ranges::find_if(
      table, [&](const Entry& entry) { return entry.from == from && entry.to == to; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

std::span<const DirectPath> direct_paths() { return kPaths; }

const DirectPath* find_direct_path(std::string_view from, std::string_view to) {
  return find(direct_paths(), from, to);
}

Result<std::optional<WeightParts>> repack_checked(const DirectPath& path,
                                                  const StoredWeight& weight) {
  const DirectPath* back = find_direct_path(path.to, path.from);
  if (back == nullptr) return std::optional<WeightParts>();
  RQ_TRY(auto parts, path.repack(weight));
  if (!parts) return parts;
  RQ_TRY(const auto again,
         back->repack({*parts, weight.scheme, weight.rows, weight.cols, &weight.parts}));
  const bool same =
      again && std::ranges::equal(*again, weight.parts, [](const auto& a, const auto& b) {
        return a.first == b.first && same_bits(a.second, b.second);
      });
  return same ? std::move(parts) : std::nullopt;
}

std::span<const SameRows> same_rows() { return kSameRows; }

const SameRows* find_same_rows(std::string_view from, std::string_view to) {
  return find(same_rows(), from, to);
}

}  // namespace requant
