#include <algorithm>
#include <vector>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/recognised_only.h"

namespace requant {

#define ENTRY(id) extern const Dialect k_dialect_##id;
#include "dialects.def"
#undef ENTRY

namespace {

std::vector<const Dialect*> all_dialects() {
  std::vector<const Dialect*> all = {
#define ENTRY(id) &k_dialect_##id,
#include "dialects.def"
#undef ENTRY
  };
  const auto last = std::prev(all.end());  // "dense" takes what nobody else does
  const auto others = recognised_only();
  all.insert(last, others.begin(), others.end());
  return all;
}

void add_blocks(const Json& config, const std::vector<std::string>& path,
                std::vector<ConfigBlock>& blocks) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    const Json* block = config.find(key);
    if (block == nullptr || block->is_null()) continue;
    ConfigBlock& found = blocks.emplace_back();
    found.path = path;
    found.path.emplace_back(key);
    found.block = block;
  }
}

}  // namespace

std::span<const Dialect* const> dialects() {
  static const std::vector<const Dialect*> kAll = all_dialects();
  return kAll;
}

const Dialect* find_dialect(std::string_view name) {
  for (const Dialect* dialect : dialects()) {
    if (dialect->name == name) return dialect;
  }
  return nullptr;
}

const Codec* codec_in(const Dialect& dialect, const NamedLayout* layout, const Scheme& scheme) {
  if (layout == nullptr) return dialect.codec_for == nullptr ? nullptr : dialect.codec_for(scheme);
  const Codec* codec = find_codec(layout->codec);
  return codec->holds(scheme) ? codec : nullptr;
}

std::vector<ConfigBlock> find_config_blocks(const Json& config, const Architecture& architecture) {
  std::vector<ConfigBlock> blocks;
  add_blocks(config, {}, blocks);
  for (const std::string& key : architecture.language_config_keys()) {
    if (const Json* sub_config = config.find(key)) add_blocks(*sub_config, {key}, blocks);
  }
  return blocks;
}

std::string name_of(const ConfigBlock& block) { return join(block.path, "."); }

}  // namespace requant
