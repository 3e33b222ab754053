#include "dialect/awq_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/text.h"

namespace requant {
namespace {

// The modules' names, one a line.
std::string lines_of(std::span<const TargetWeight> weights) {
  std::string lines;
  for (const TargetWeight& weight : weights) lines += weight.module + "\n";
  return lines;
}

// Readers match these names as substrings, so each may hit no quantised module.
Result<std::vector<std::string>> exclusions(const ConfigRequest& request) {
  std::vector<std::string> names;
  const std::string quantized = lines_of(request.quantized);
  for (const TargetWeight& weight : request.unquantized) {
    if (weight.place.role == Role::kLmHead) continue;  // no reader quantises it
    std::string name = weight.place.tower == Tower::kLanguage
                           ? weight.module
                           : weight.module.substr(0, weight.module.find('.'));
    const auto hits = [&](const std::string& candidate) {
      const std::boyer_moore_horspool_searcher searcher(candidate.begin(), candidate.end());
      return std::search(quantized.begin(), quantized.end(), searcher) != quantized.end();
    };
    if (hits(name)) name = weight.module;
    if (hits(name)) {
      return refused(
          fmt::format("{} is not quantised, and awq's modules_to_not_convert cannot name "
                      "it without naming quantised modules",
                      printable(weight.module)));
    }
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

const Codec* awq_codec_for(const Scheme& scheme) {
  const Codec* codec = find_codec("awq-gemm");
  return codec->holds(scheme) ? codec : nullptr;
}

Result<Json> awq_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("awq needs a quantised weight");
  const Scheme& scheme = request.quantized.front().scheme;
  for (const TargetWeight& weight : request.quantized) {
    if (weight.scheme.grid != scheme.grid) {
      return refused(printable(weight.module) +
                     ": awq has one group_size, the weights have several");
    }
  }
  RQ_TRY(const auto names, exclusions(request));
  Json block = Json::object();
  block.set("quant_method", "awq");
  block.set("version", request.layout == nullptr ? "gemm" : request.layout->name);
  block.set("bits", 4);
  block.set("group_size", scheme.grid.is_channel() ? std::int64_t{-1} : scheme.grid.block_cols);
  block.set("zero_point", true);  // stored always: in symmetric weights they are all 8
  if (!names.empty()) {
    Json list = Json::array();
    for (const std::string& name : names) list.append(name);
    block.set("modules_to_not_convert", std::move(list));
  }
  return block;
}

}  // namespace requant
