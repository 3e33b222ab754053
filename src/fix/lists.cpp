// The lists of what stays unquantised, written from the tensors.

#include "fix/repair.h"

namespace requant {
namespace {

constexpr std::string_view kLists[] = {"ignore",  "modules_to_not_convert", "ignored_layers",
                                       "exclude", "exclude_modules",        "dynamic"};

Result<void> apply(RepairScene& scene) {
  if (!scene.any({"config.stale-ignore", "config.stale-exclusion", "config.substring-exclusion",
                  "config.excluded-but-quantised", "config.ignored-but-quantised",
                  "config.targeted-but-dense", "config.targeted-router",
                  "config.unlisted-tied-head"})) {
    return {};
  }
  Json* block = scene.block();
  if (block == nullptr) return {};
  const Json written = written_block(scene);
  for (const std::string_view key : kLists) {
    const Json* list = written.find(key);
    Json* stated = block->find(key);
    if (list != nullptr) {
      block->set(key, *list);
    } else if (stated != nullptr && !stated->is_null() && written.is_object()) {
      block->erase(key);  // nothing is to be listed there
    }
  }
  return {};
}

}  // namespace

extern const Repair k_repair_lists;
const Repair k_repair_lists = {
    .name = "lists",
    .answers =
        "config.stale-ignore config.stale-exclusion config.substring-exclusion "
        "config.excluded-but-quantised config.ignored-but-quantised "
        "config.targeted-but-dense config.targeted-router config.unlisted-tied-head",
    .apply = apply,
};

}  // namespace requant
