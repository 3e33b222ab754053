// Keys of the block whose right value the tensors tell.

#include <array>
#include <charconv>

#include "fix/repair.h"

namespace requant {
namespace {

enum class Value : std::uint8_t {
  kExpected,  // what the finding says
  kTrue,
  kFalse,
  kOther,  // the other truth value
};

struct Row {
  std::string_view rule;
  std::string_view key;
  Value value;
};

constexpr auto kRows = std::to_array<Row>({
    {"gptq.zero-version", "checkpoint_format", Value::kExpected},
    {"gptq.sym-flag", "sym", Value::kFalse},
    {"gptq.desc-act", "desc_act", Value::kTrue},
    {"gptq.bits", "bits", Value::kExpected},
    {"gptq.group-size", "group_size", Value::kExpected},
    {"gptq.lm-head", "lm_head", Value::kOther},
    {"awq.group-size", "group_size", Value::kExpected},
    {"awq.version", "version", Value::kExpected},
    {"awq.zero-point-flag", "zero_point", Value::kOther},
});

Json number_or_text(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return text;
}

bool is_true(const Json* value) { return value != nullptr && value->as_bool().value_or(false); }

Result<void> apply(RepairScene& scene) {
  Json* block = scene.block();
  if (block == nullptr) return {};
  for (const Row& row : kRows) {
    const Finding* finding = scene.find(row.rule);
    if (finding == nullptr) continue;
    switch (row.value) {
      case Value::kExpected:
        if (!finding->expected.empty()) block->set(row.key, number_or_text(finding->expected));
        break;
      case Value::kTrue:
        block->set(row.key, true);
        break;
      case Value::kFalse:
        block->set(row.key, false);
        break;
      case Value::kOther:
        block->set(row.key, !is_true(block->find(row.key)));
        break;
    }
  }
  // What engines read first where both are there.
  const Json* format = block->find("checkpoint_format");
  if (scene.find("gptq.zero-version") != nullptr && block->find("format") != nullptr) {
    block->set("format", Json(*format));
  }
  return {};
}

}  // namespace

extern const Repair k_repair_values;
const Repair k_repair_values = {
    .name = "values",
    .answers =
        "gptq.zero-version gptq.sym-flag gptq.desc-act gptq.bits gptq.group-size "
        "gptq.lm-head awq.group-size awq.version awq.zero-point-flag",
    .apply = apply,
};

}  // namespace requant
