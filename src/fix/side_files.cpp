// Files beside config.json that state another quantisation: written anew where the dialect has such
// a file, removed where it has not.

#include "fix/repair.h"

namespace requant {
namespace {

constexpr std::string_view kFiles[] = {"hf_quant_config.json", "quantize_config.json",
                                       "quant_config.json"};

bool is_stale(const RepairScene& scene, std::string_view name) {
  for (const Finding& finding : scene.findings) {
    const bool asks = finding.rule == "config.stale-side-file" || finding.rule == "gptq.side-file";
    if (asks && finding.where == name) return true;
  }
  return false;
}

Result<void> apply(RepairScene& scene) {
  const auto written = written_side_files(scene);
  for (const std::string_view name : kFiles) {
    if (!is_stale(scene, name)) continue;
    const auto anew = written.find(std::string(name));
    Json* block = scene.block();
    if (name == "quantize_config.json" && scene.checkpoint.dialect().name == "gptq" &&
        block != nullptr) {
      scene.documents.write(name, Json(*block));  // what config.json says, which counts
    } else if (anew != written.end()) {
      scene.documents.write(name, anew->second);
    } else {
      scene.documents.remove(name);
    }
  }
  return {};
}

}  // namespace

extern const Repair k_repair_side_files;
const Repair k_repair_side_files = {
    .name = "side files",
    .answers = "config.stale-side-file gptq.side-file",
    .apply = apply,
};

}  // namespace requant
