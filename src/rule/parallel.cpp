// How many GPUs can share the layers.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "base/text.h"
#include "rule/cases.h"
#include "rule/run.h"

namespace requant {
namespace {

constexpr std::int64_t kUsual[] = {2, 4, 8};
// Models with fewer inputs than this are served by one GPU.
constexpr std::int64_t kSmallModel = 1024;

// Projections that are cut along their inputs; the others along their outputs.
constexpr std::string_view kCutAlongInputs[] = {"down_proj", "o_proj",        "wo",  "w2",
                                                "out_proj",  "dense_4h_to_h", "fc2", "c_proj"};

bool is_cut_along_inputs(std::string_view module) {
  const std::string_view name = module.substr(module.rfind('.') + 1);
  return std::ranges::find(kCutAlongInputs, name) != std::end(kCutAlongInputs);
}

// What a cut may not go through: groups or blocks of one scale.
struct Units {
  std::int64_t count = 0;
  std::int64_t size = 0;
  std::string_view what;
};

Units units_of(const Weight& weight) {
  const Grid& grid = weight.scheme.grid;
  if (is_cut_along_inputs(weight.module)) {
    if (grid.block_cols < 2) return {};
    return {grid.cols_of(weight.rows, weight.cols), grid.block_cols,
            grid.block_rows > 1 ? "blocks" : "groups"};
  }
  if (grid.block_rows < 2) return {};
  return {grid.rows_of(weight.rows / weight.experts, weight.cols), grid.block_rows, "blocks"};
}

std::string counts_that_fit(std::int64_t units) {
  std::vector<std::string> fit;
  constexpr std::int64_t kMost = 64;
  for (std::int64_t count = 1; count <= std::min(units, kMost); ++count) {
    if (units % count == 0) fit.push_back(std::to_string(count));
  }
  return join(fit, ", ");
}

// Of the usual numbers of GPUs, those that cannot share so many units.
std::string misfits(std::int64_t units) {
  std::vector<std::string> out;
  for (const std::int64_t count : kUsual) {
    if (units % count != 0) out.push_back(std::to_string(count));
  }
  return join(out, ", ");
}

void look_for_units(RuleRun& run, bool blocks) {
  Cases cases;
  Units first;
  for (const Weight& weight : run.checkpoint().weights()) {
    if (weight.place.tower != Tower::kLanguage || weight.place.layer < 0) continue;
    const Units units = units_of(weight);
    const bool is_block = units.what == "blocks";
    if (units.count == 0 || is_block != blocks || units.count * units.size < kSmallModel) continue;
    if (misfits(units.count).empty()) continue;
    if (!cases.any()) first = units;
    cases.add(weight.module);
  }
  if (!cases.any()) return;
  Finding& finding = run.add(
      cases.first(), fmt::format("its {} {} of {} cannot be shared by {} GPUs{}", first.count,
                                 first.what, first.size, misfits(first.count), cases.others()));
  finding.expected = "tensor parallelism of " + counts_that_fit(first.count);
  finding.repair = fmt::format("requant convert --pad-for-tp {} pads it to {}", kUsual[2],
                               (first.count + kUsual[2] - 1) / kUsual[2] * kUsual[2] * first.size);
}

void look_for_groups(RuleRun& run) { look_for_units(run, false); }
void look_for_blocks(RuleRun& run) { look_for_units(run, true); }

// Marlin's tiles: 128 inputs by 64 outputs at least (vLLM's min_thread_k and min_thread_n).
constexpr std::int64_t kMarlinInputs = 128;
constexpr std::int64_t kMarlinOutputs = 64;

void look_for_tiles(RuleRun& run) {
  Cases cases;
  Shape shape;
  for (const Weight& weight : run.checkpoint().weights()) {
    const Scheme& scheme = weight.scheme;
    if (scheme.element != Element::kInt || (scheme.bits != 4 && scheme.bits != 8)) continue;
    if (scheme.activations.kind != ActivationKind::kNone) continue;
    const std::int64_t rows = weight.rows / weight.experts;
    if (weight.cols % kMarlinInputs == 0 && rows % kMarlinOutputs == 0) continue;
    if (!cases.any()) shape = {rows, weight.cols};
    cases.add(weight.module);
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("is {}{}", to_string(shape), cases.others())).expected =
      fmt::format("inputs in multiples of {}, outputs of {}", kMarlinInputs, kMarlinOutputs);
}

void look_for_heads(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  std::vector<const Json*> parts = {&checkpoint.config()};
  for (const std::string& key : checkpoint.architecture().language_config_keys()) {
    if (const Json* part = checkpoint.config().find(key)) parts.push_back(part);
  }
  for (const Json* part : parts) {
    const Json* value = part->find("num_attention_heads");
    const auto heads = value == nullptr ? std::nullopt : value->as_int();
    constexpr std::int64_t kFew = 8;
    if (!heads || *heads < kFew || misfits(*heads).empty()) continue;
    run.add("config.json",
            fmt::format("{} attention heads cannot be shared by {} GPUs", *heads, misfits(*heads)))
        .expected = "tensor parallelism of " + counts_that_fit(*heads);
    return;
  }
}

constexpr auto kRules = std::to_array<Rule>({
    {.id = "parallel.groups",
     .severity = Severity::kInfo,
     .text = "The groups along a layer's inputs cannot be shared by 2, 4 or 8 GPUs.",
     .why = "engines stop with: input size is not aligned with the quantized weight shape",
     .threads = "vllm #1258, #2699, #5675, #11671, #13980, #21695, Qwen3-VL #831",
     .look = look_for_groups},
    {.id = "parallel.blocks",
     .severity = Severity::kInfo,
     .text = "A layer's blocks of scales cannot be shared by 2, 4 or 8 GPUs.",
     .why = "a GPU's share would cut a block of one scale: engines do not load it",
     .threads = "vllm #52997, PR #52915, sglang #3345, #26107",
     .look = look_for_blocks},
    {.id = "parallel.marlin-tiles",
     .severity = Severity::kInfo,
     .text = "A weight's sizes do not fill Marlin's tiles.",
     .why = "engines take a slower kernel, or stop with: min_thread_k",
     .repair = "requant convert --pad-for-tp pads it",
     .threads = "Qwen3 #907, vllm #9913",
     .look = look_for_tiles},
    {.id = "parallel.heads",
     .severity = Severity::kInfo,
     .text = "The attention heads cannot be shared by 2, 4 or 8 GPUs.",
     .why = "engines refuse that tensor parallelism",
     .threads = "vllm #1816",
     .look = look_for_heads},
});

}  // namespace

extern const RuleFamily k_rules_parallel;
const RuleFamily k_rules_parallel = {
    .name = "parallel",
    .text = "how many GPUs can share the layers",
    .rules = kRules,
};

}  // namespace requant
