#include "dialect/gptq_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// What a rule can say of a module.
struct Entry {
  int bits = 0;
  std::int64_t group = 0;
  bool sym = false;
  bool order = false;

  friend auto operator<=>(const Entry&, const Entry&) = default;
};

Entry entry_of(const Scheme& scheme) {
  return {.bits = scheme.bits,
          .group = scheme.grid.is_channel() ? -1 : scheme.grid.block_cols,
          .sym = scheme.offset == Offset::kNone,
          .order = scheme.permuted};
}

// nullptr where it cannot be held so.
const Codec* codec_of(const ConfigRequest& request, const Scheme& scheme) {
  return codec_in(*find_dialect("gptq"), request.layout, scheme);
}

// As checkpoint_format states it.
std::string_view format_of(const ConfigRequest& request, const Scheme& scheme) {
  const std::string_view codec = codec_of(request, scheme)->name;
  return codec == "gptq-p" ? "gptq_p" : codec == "gptq-v2" ? "gptq_v2" : "gptq";
}

// The name as a regular expression, with the numbers of layers and experts left open.
std::string open_pattern(std::string_view module, bool open) {
  std::string pattern = "^";
  for (const std::string_view part : split(module, '.')) {
    if (pattern.size() > 1) pattern += R"(\.)";
    const bool is_number = std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (is_number && open) {
      pattern += R"(\d+)";
      continue;
    }
    for (const char c : part) {
      if (std::string_view(R"(\^$.|?*+()[]{}-)").find(c) != std::string_view::npos) pattern += '\\';
      pattern += c;
    }
  }
  return pattern + "$";
}

// Names of a weight that engines ask with: its own, and that of the matrix it is loaded into.
std::vector<std::string> names_of(const TargetWeight& weight) {
  std::vector<std::string> names = {weight.module};
  if (!weight.place.fused.empty() && weight.place.fused != weight.module) {
    names.push_back(weight.place.fused);
  }
  return names;
}

// What each open pattern stands for; a pattern that stands for several things cannot be used.
class Patterns {
 public:
  explicit Patterns(const ConfigRequest& request) {
    for (const TargetWeight& weight : request.quantized) {
      add(weight, entry_of(weight.scheme));
    }
    for (const TargetWeight& weight : request.unquantized) add(weight, Entry{});
  }

  std::string of(const std::string& name) const {
    const std::string open = open_pattern(name, true);
    return meanings_.at(open).size() == 1 ? open : open_pattern(name, false);
  }

 private:
  void add(const TargetWeight& weight, const Entry& entry) {
    for (const std::string& name : names_of(weight)) {
      meanings_[open_pattern(name, true)].insert(entry);
    }
  }
  std::map<std::string, std::set<Entry>> meanings_;
};

Entry most_common(std::span<const TargetWeight> weights) {
  std::map<Entry, std::size_t> counts;
  for (const TargetWeight& weight : weights) ++counts[entry_of(weight.scheme)];
  return std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; })
      ->first;
}

Json override_of(const Entry& entry, const Entry& base) {
  Json json = Json::object();
  if (entry.bits != base.bits) json.set("bits", entry.bits);
  if (entry.group != base.group) json.set("group_size", entry.group);
  if (entry.sym != base.sym) json.set("sym", entry.sym);
  if (entry.order != base.order) json.set("desc_act", entry.order);
  return json;
}

// Readers take the first rule that matches, so exclusions of single names come first.
Json dynamic_rules(const ConfigRequest& request, const Entry& base) {
  const Patterns patterns(request);
  Json rules = Json::object();
  for (const TargetWeight& weight : request.unquantized) {
    if (weight.place.role == Role::kLmHead) continue;  // lm_head says it
    for (const std::string& name : names_of(weight)) {
      rules.set("-:" + patterns.of(name), Json::object());
    }
  }
  for (const TargetWeight& weight : request.quantized) {
    const Entry entry = entry_of(weight.scheme);
    if (entry == base) continue;
    for (const std::string& name : names_of(weight)) {
      rules.set("+:" + patterns.of(name), override_of(entry, base));
    }
  }
  return rules;
}

Result<std::string_view> one_format(const ConfigRequest& request) {
  const TargetWeight& first = request.quantized.front();
  const std::string_view format = format_of(request, first.scheme);
  for (const TargetWeight& weight : request.quantized) {
    const std::string_view own = format_of(request, weight.scheme);
    if (own == format) continue;
    return refused(fmt::format("{} needs checkpoint_format {}, {} needs {}: gptq states one",
                               printable(first.module), format, printable(weight.module), own));
  }
  return format;
}

}  // namespace

const Codec* gptq_codec_for(const Scheme& scheme) {
  // Whether v1 can hold zero points, only the numbers tell.
  const bool symmetric = scheme.offset == Offset::kNone;
  for (const NamedLayout& layout : std::span(kGptqLayouts).subspan(symmetric ? 0 : 1)) {
    const Codec* codec = find_codec(layout.codec);
    if (codec->holds(scheme)) return codec;
  }
  return nullptr;
}

Result<Json> gptq_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("gptq needs a quantised weight");
  for (const TargetWeight& weight : request.quantized) {
    if (codec_of(request, weight.scheme) != nullptr) continue;
    return refused(
        fmt::format("{}: gptq cannot hold {}", printable(weight.module), describe(weight.scheme)));
  }
  RQ_TRY(const std::string_view format, one_format(request));
  const Entry base = most_common(request.quantized);
  const bool head = std::ranges::any_of(request.quantized, [](const TargetWeight& weight) {
    return weight.place.role == Role::kLmHead;
  });
  Json block = Json::object();
  block.set("quant_method", "gptq");
  block.set("checkpoint_format", format);
  block.set("bits", base.bits);
  block.set("group_size", base.group);
  block.set("desc_act", base.order);
  block.set("sym", base.sym);
  block.set("lm_head", head);
  block.set("pack_dtype", "int32");
  Json rules = dynamic_rules(request, base);
  if (!rules.members().empty()) block.set("dynamic", std::move(rules));
  return block;
}

Result<std::map<std::string, Json>> gptq_side_files(const ConfigRequest& request) {
  RQ_TRY(Json block, gptq_quantization_config(request));
  std::map<std::string, Json> files;
  files.emplace("quantize_config.json", std::move(block));
  return files;
}

}  // namespace requant
