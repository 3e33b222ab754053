#include "dialect/auto_round_write.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/text.h"

namespace requant {
namespace {

struct Layout {
  std::string_view codec;
  std::string_view packing;
};
constexpr Layout kLayouts[] = {{"gptq-in-order", "auto_round:auto_gptq"},
                               {"awq-gemm", "auto_round:auto_awq"},
                               {"gptq-v2-in-order", "auto_round:gptqmodel"}};

std::string_view packing_of(const Scheme& scheme) {
  const std::string_view codec = auto_round_codec_for(scheme)->name;
  for (const Layout& layout : kLayouts) {
    if (layout.codec == codec) return layout.packing;
  }
  return {};
}

std::int64_t group_of(const Scheme& scheme) {
  return scheme.grid.is_channel() ? -1 : scheme.grid.block_cols;
}

// Bits and group of most weights.
std::pair<int, std::int64_t> most_common(std::span<const TargetWeight> weights) {
  std::map<std::pair<int, std::int64_t>, std::size_t> counts;
  std::pair<int, std::int64_t> most;
  std::size_t count = 0;
  for (const TargetWeight& weight : weights) {
    const std::pair key(weight.scheme.bits, group_of(weight.scheme));
    if (++counts[key] <= count) continue;
    count = counts[key];
    most = key;
  }
  return most;
}

Json extra_config(const ConfigRequest& request, const std::pair<int, std::int64_t>& base) {
  Json extra = Json::object();
  for (const TargetWeight& weight : request.unquantized) {
    if (weight.place.role == Role::kLmHead) continue;  // no reader quantises it by itself
    Json entry = Json::object();
    entry.set("bits", 16);
    entry.set("data_type", "float");
    extra.set(weight.module, std::move(entry));
  }
  for (const TargetWeight& weight : request.quantized) {
    const std::pair own(weight.scheme.bits, group_of(weight.scheme));
    if (own == base && weight.place.role != Role::kLmHead) continue;
    Json entry = Json::object();
    entry.set("bits", own.first);
    entry.set("group_size", own.second);
    extra.set(weight.module, std::move(entry));
  }
  return extra;
}

}  // namespace

const Codec* auto_round_codec_for(const Scheme& scheme) {
  if (scheme.permuted) return nullptr;  // its files have no g_idx
  for (const Layout& layout : kLayouts) {
    const Codec* codec = find_codec(layout.codec);
    const bool symmetric = scheme.offset == Offset::kNone;
    const bool is_own =
        layout.codec == "gptq-in-order" ? symmetric : layout.codec != "awq-gemm" || !symmetric;
    if (codec->holds(scheme) && is_own) return codec;
  }
  return nullptr;
}

Result<Json> auto_round_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("auto-round needs a quantised weight");
  std::string_view packing;
  for (const TargetWeight& weight : request.quantized) {
    if (auto_round_codec_for(weight.scheme) == nullptr) {
      return refused(fmt::format("{}: auto-round cannot hold {}", printable(weight.module),
                                 describe(weight.scheme)));
    }
    const std::string_view own = packing_of(weight.scheme);
    if (packing.empty()) packing = own;
    if (own == packing) continue;
    return refused(fmt::format("{} needs packing_format {}, others need {}: auto-round states one",
                               printable(weight.module), own, packing));
  }
  const auto base = most_common(request.quantized);
  Json block = Json::object();
  block.set("quant_method", "auto-round");
  block.set("packing_format", packing);
  block.set("bits", base.first);
  block.set("group_size", base.second);
  block.set("sym", request.quantized.front().scheme.offset == Offset::kNone);
  block.set("data_type", "int");
  Json extra = extra_config(request, base);
  if (!extra.members().empty()) block.set("extra_config", std::move(extra));
  return block;
}

}  // namespace requant
