// Where the quantization block stands: at the top level, once, and only where weights are
// quantised.

#include <algorithm>

#include "base/text.h"
#include "dialect/resolve.h"
#include "fix/repair.h"

namespace requant {
namespace {

constexpr std::string_view kBlock = "quantization_config";

void erase_at(Json& config, const std::vector<std::string>& path) {
  Json* parent = &config;
  for (std::size_t i = 0; i + 1 < path.size() && parent != nullptr; ++i) {
    parent = parent->find(path[i]);
  }
  if (parent != nullptr) parent->erase(path.back());
}

bool means(const Json& block, const Dialect& dialect) {
  const std::string_view method = text_at(&block, "quant_method");
  const auto names = split(dialect.quant_methods, ' ');
  return std::ranges::find(names, method) != names.end();
}

// Of several blocks the one that the tensors bear out, else the first.
Json chosen(const std::vector<ConfigBlock>& blocks, const Dialect& dialect) {
  for (const ConfigBlock& block : blocks) {
    if (means(*block.block, dialect)) return *block.block;
  }
  return *blocks.front().block;
}

Result<void> apply(RepairScene& scene) {
  Json& config = scene.documents.config();
  const auto blocks = find_config_blocks(config, scene.checkpoint.architecture());
  if (scene.find("config.method-but-dense") != nullptr) {
    for (const ConfigBlock& block : blocks) erase_at(config, block.path);
    return {};
  }
  if (scene.find("config.no-quantization") != nullptr) {
    Json block = written_block(scene);
    if (!block.is_null()) config.set(kBlock, std::move(block));
  } else if (scene.checkpoint.dialect().name == "mlx" && scene.any({"config.two-blocks"})) {
    config.set(kBlock, Json(*config.find("quantization")));
  } else if (scene.any({"config.nested-quantization", "config.two-blocks"}) && !blocks.empty()) {
    Json block = chosen(blocks, scene.checkpoint.dialect());
    std::vector<std::vector<std::string>> paths;
    for (const ConfigBlock& old : blocks) paths.push_back(old.path);
    for (const auto& path : paths) {
      if (path.size() > 1 || path.front() != kBlock) erase_at(config, path);
    }
    config.set(kBlock, std::move(block));
  }
  return {};
}

}  // namespace

extern const Repair k_repair_place;
const Repair k_repair_place = {
    .name = "place",
    .answers =
        "config.nested-quantization config.two-blocks config.no-quantization "
        "config.method-but-dense",
    .apply = apply,
};

}  // namespace requant
