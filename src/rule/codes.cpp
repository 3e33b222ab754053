// Every byte of the weights: what a damaged or failed quantisation leaves behind.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "rule/cases.h"
#include "rule/run.h"

namespace requant {
namespace {

void look_for_constant(RuleRun& run) {
  Cases cases;
  int byte = 0;
  for (const CodeFacts& code : run.codes().all()) {
    if (code.weight == nullptr || !code.is_one_byte || code.tensor->bytes < 64) continue;
    if (!cases.any()) byte = code.byte;
    cases.add(code.tensor->name);
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("is 0x{:02X} from end to end{}", byte, cases.others()));
}

// Blocks of 4 KiB that are one byte over: whole rows that the quantiser never filled.
void look_for_degenerate(RuleRun& run) {
  Cases cases;
  std::uint64_t blocks = 0;
  for (const CodeFacts& code : run.codes().all()) {
    if (code.weight == nullptr || code.is_one_byte || code.constant * 4 < code.blocks) continue;
    blocks += code.blocks;
    cases.add(code.tensor->name, code.constant);
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("{} of {} blocks of 4 KiB hold one byte over and over{}",
                                     grouped(cases.values()), grouped(blocks), cases.others()));
}

void look_for_not_finite(RuleRun& run) {
  Cases cases;
  for (const CodeFacts& code : run.codes().all()) {
    if (code.weight != nullptr && code.not_finite > 0) cases.add(code.tensor->name);
  }
  if (!cases.any()) return;
  Finding& finding = run.add(cases.first(), "has codes that are no numbers" + cases.others());
  if (run.checkpoint().dialect().name != "lmdeploy") return;
  finding.severity = Severity::kWarning;
  finding.why = "lmdeploy divided rows of zeros by 0";
  finding.repair = "requant convert repairs them: codes 0, scale 1";
}

void look_for_bad_floats(RuleRun& run) {
  Cases cases;
  for (const CodeFacts& code : run.codes().all()) {
    if (code.weight == nullptr && code.not_finite > 0) cases.add(code.tensor->name);
  }
  if (cases.any()) run.add(cases.first(), "has values that are no numbers" + cases.others());
}

void look_for_range(RuleRun& run) {
  Cases cases;
  for (const CodeFacts& code : run.codes().all()) {
    if (code.out_of_range > 0) cases.add(code.tensor->name, code.out_of_range);
  }
  if (!cases.any()) return;
  run.add(cases.first(), fmt::format("{} codes need more bits than the scheme has{}",
                                     grouped(cases.values()), cases.others()));
}

constexpr auto kRules = std::to_array<Rule>({
    {.id = "codes.constant",
     .severity = Severity::kError,
     .text = "The codes of a weight are one byte from end to end, 0x88 above all.",
     .why = "the weight is all zeros, or all the same: the quantiser never wrote it",
     .repair = "quantise the model again",
     .threads = "llm-compressor #1765",
     .depth = Depth::kCodes,
     .look = look_for_constant},
    {.id = "codes.degenerate",
     .severity = Severity::kWarning,
     .text = "A quarter of a weight's codes or more are runs of one byte.",
     .why = "rows were never written, or were zeros",
     .threads = "llm-compressor #1765",
     .depth = Depth::kCodes,
     .look = look_for_degenerate},
    {.id = "codes.not-finite",
     .severity = Severity::kError,
     .text = "8-bit floats are infinite or no numbers.",
     .why = "one of them makes a whole row of answers no number",
     .threads = "vllm #45212, Qwen3 #381",
     .depth = Depth::kCodes,
     .look = look_for_not_finite},
    {.id = "codes.weights-not-finite",
     .severity = Severity::kError,
     .text = "Unquantised values are infinite or no numbers.",
     .why = "the answer is no number: !!!!!",
     .threads = "Qwen3 #315, vllm #14126",
     .depth = Depth::kCodes,
     .look = look_for_bad_floats},
    {.id = "codes.out-of-range",
     .severity = Severity::kError,
     .text = "Codes that the declared bits cannot hold.",
     .why = "the config states fewer bits than were stored, or the file is damaged",
     .depth = Depth::kCodes,
     .look = look_for_range},
});

}  // namespace

extern const RuleFamily k_rules_codes;
const RuleFamily k_rules_codes = {
    .name = "codes",
    .text = "every byte of the weights (--deep)",
    .rules = kRules,
};

}  // namespace requant
