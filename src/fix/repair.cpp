#include "fix/repair.h"

#include <algorithm>
#include <array>

#include "checkpoint/tied_head.h"
#include "dialect/resolve.h"

namespace requant {

#define ENTRY(id) extern const Repair k_repair_##id;
#include "repairs.def"
#undef ENTRY

namespace {

// The weights as dialects' writers want to see them.
struct Request {
  std::vector<TargetWeight> quantized;
  std::vector<TargetWeight> unquantized;

  explicit Request(const Checkpoint& checkpoint) {
    for (const Weight& weight : checkpoint.weights()) {
      quantized.push_back({weight.module, weight.place, weight.scheme});
    }
    for (const DenseTensor& dense : checkpoint.dense()) {
      if (!dense.is_weight || !is_linear_like(dense.place.role)) continue;
      unquantized.push_back({dense.module, dense.place, Scheme::dense(dense.tensor->dtype)});
    }
    add_tied_head(checkpoint, quantized, unquantized);
  }
  ConfigRequest of(const Checkpoint& checkpoint) const {
    return {.config = checkpoint.config(),
            .architecture = checkpoint.architecture(),
            .quantized = quantized,
            .unquantized = unquantized};
  }
};

}  // namespace

std::span<const Repair* const> repairs() {
  static constexpr auto kRepairs = std::to_array<const Repair*>({
#define ENTRY(id) &k_repair_##id,
#include "repairs.def"
#undef ENTRY
  });
  return kRepairs;
}

const Finding* RepairScene::find(std::string_view rule) const {
  const auto at = std::ranges::find(findings, rule, &Finding::rule);
  return at == findings.end() ? nullptr : &*at;
}

bool RepairScene::any(std::initializer_list<std::string_view> rules) const {
  return std::ranges::any_of(rules, [&](std::string_view rule) { return find(rule) != nullptr; });
}

Json* RepairScene::block() const {
  Json& config = documents.config();
  const auto blocks = find_config_blocks(config, checkpoint.architecture());
  if (blocks.empty()) return nullptr;
  Json* at = &config;
  for (const std::string& key : blocks.front().path) at = at->find(key);
  return at->is_object() ? at : nullptr;
}

Json written_block(const RepairScene& scene) {
  const Dialect& dialect = scene.checkpoint.dialect();
  if (dialect.quantization_config == nullptr || scene.checkpoint.weights().empty()) return {};
  const Request request(scene.checkpoint);
  auto block = dialect.quantization_config(request.of(scene.checkpoint));
  return block ? *std::move(block) : Json();
}

std::map<std::string, Json> written_side_files(const RepairScene& scene) {
  const Dialect& dialect = scene.checkpoint.dialect();
  if (dialect.side_files == nullptr || scene.checkpoint.weights().empty()) return {};
  const Request request(scene.checkpoint);
  auto files = dialect.side_files(request.of(scene.checkpoint));
  return files ? *std::move(files) : std::map<std::string, Json>();
}

}  // namespace requant
