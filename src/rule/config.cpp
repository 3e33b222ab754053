// config.json against the tensors and against the other files.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "rule/exclusions.h"
#include "rule/run.h"

namespace requant {
namespace {

void look_for_stale_entries(RuleRun& run) {
  const Exclusions lists(run.checkpoint());
  constexpr int kNamed = 3;
  int named = 0;
  for (const Exclusion& entry : lists.stale()) {
    if (++named > kNamed) break;
    run.add("config.json", fmt::format("'{}' has {}, which matches no module", entry.where,
                                       in_quotes(entry.text)));
  }
}

void look_for_substrings(RuleRun& run) {
  const Exclusions lists(run.checkpoint());
  for (const Exclusion& entry : lists.substrings()) {
    run.add("config.json",
            fmt::format("'{}' has {}, which is a part of the name of {} and of no module's path",
                        entry.where, in_quotes(entry.text), printable(entry.example)));
    return;
  }
}

void look_for_stale_targets(RuleRun& run) {
  for (const Exclusion& entry : stale_targets(run.checkpoint())) {
    Finding& finding = run.add("config.json", fmt::format("'{}' has {}, which matches no module",
                                                          entry.where, in_quotes(entry.text)));
    if (entry.example.empty()) continue;
    finding.evidence = fmt::format("it is what engines call {} and those that they load with it",
                                   printable(entry.example));
  }
}

void look_for_unlisted_tied_head(RuleRun& run) {
  const std::string head = unlisted_tied_head(run.checkpoint());
  if (head.empty()) return;
  run.add(printable(head), "is tied to the embedding, a target, and not in 'ignore'");
}

struct SideFile {
  std::string_view name;
  std::string_view dialects;  // whose file it is
};
constexpr SideFile kSideFiles[] = {
    {"hf_quant_config.json", "modelopt"},
    {"quantize_config.json", "gptq awq auto-round"},
    {"quant_config.json", "awq"},
};

// Of keys that both documents have.
std::string difference(const Json& side, const Json& block) {
  const Json* nested = side.find("quantization");
  const Json& theirs = nested == nullptr ? side : *nested;
  for (const std::string_view key : {"quant_algo", "bits", "w_bit", "group_size", "q_group_size",
                                     "kv_cache_quant_algo", "zero_point"}) {
    const Json* a = theirs.find(key);
    const Json* b = block.find(key);
    if (a == nullptr || b == nullptr || a->is_null() || b->is_null() || *a == *b) continue;
    return fmt::format("its '{}' is {}, config.json has {}", key, printable(a->dump(), 40),
                       printable(b->dump(), 40));
  }
  return {};
}

void look_for_side_files(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  const auto blocks = find_config_blocks(checkpoint.config(), checkpoint.architecture());
  for (const SideFile& known : kSideFiles) {
    const auto side = checkpoint.side().find(std::string(known.name));
    if (side == checkpoint.side().end()) continue;
    const auto owners = split(known.dialects, ' ');
    if (std::ranges::find(owners, checkpoint.dialect().name) == owners.end()) {
      run.add(std::string(known.name), fmt::format("is a file of {}, the tensors are those of {}",
                                                   owners.front(), checkpoint.dialect().name));
      continue;
    }
    if (checkpoint.dialect().name == "gptq" || blocks.empty()) continue;  // gptq.side-file says it
    const std::string what = difference(side->second, *blocks.front().block);
    if (!what.empty()) run.add(std::string(known.name), what);
  }
}

void look_for_top_level_only(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  const auto blocks = find_config_blocks(checkpoint.config(), checkpoint.architecture());
  if (blocks.size() != 1 || blocks.front().path.size() != 1) return;
  for (const std::string& key : checkpoint.architecture().language_config_keys()) {
    const Json* part = checkpoint.config().find(key);
    if (part == nullptr || !part->is_object()) continue;
    run.add("config.json",
            fmt::format("'{}' is at the top level, '{}' has none", name_of(blocks.front()), key));
    return;
  }
}

void look_for_two_ties(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  const Json* outer = checkpoint.config().find("tie_word_embeddings");
  if (outer == nullptr) return;
  for (const std::string& key : checkpoint.architecture().language_config_keys()) {
    const Json* inner = checkpoint.config().at({key, "tie_word_embeddings"});
    if (inner == nullptr || *inner == *outer) continue;
    run.add("config.json", fmt::format("'tie_word_embeddings' is {}, in '{}' it is {}",
                                       outer->dump(), key, inner->dump()));
  }
}

struct BlockKeys {
  std::string_view dialect;
  std::string_view keys;
};
// Without these some engine stops: data/engines, required_keys.
constexpr BlockKeys kBlockKeys[] = {
    {"awq", "bits group_size zero_point"},
    {"gptq", "bits group_size desc_act"},
    {"fp8", "activation_scheme"},
};

void look_for_block_keys(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  const auto blocks = find_config_blocks(checkpoint.config(), checkpoint.architecture());
  const auto row = std::ranges::find(kBlockKeys, checkpoint.dialect().name, &BlockKeys::dialect);
  if (row == std::end(kBlockKeys) || blocks.empty() || checkpoint.weights().empty()) return;
  for (const std::string_view key : split(row->keys, ' ')) {
    const bool has_alias = (key == "bits" && blocks.front().block->find("w_bit") != nullptr) ||
                           (key == "group_size" && blocks.front().block->find("q_group_size"));
    if (has_alias || blocks.front().block->find(key) != nullptr) continue;
    run.add("config.json", fmt::format("'{}.{}' is missing", name_of(blocks.front()), key));
  }
}

constexpr std::string_view kCodesAsValues =
    "engines build it unquantised: they load its codes as if they were values, or do not load";
constexpr std::string_view kFixList = "requant fix SRC -o OUT writes the list from the tensors";
constexpr std::string_view kFixHoist = "requant fix SRC -o OUT moves it to the top level";

constexpr auto kRules = std::to_array<Rule>({
    {.id = "config.absent",
     .severity = Severity::kInfo,
     .text = "There is no config.json beside the weight file.",
     .why = "only the tensors speak"},
    {.id = "config.bad-value",
     .severity = Severity::kError,
     .text = "A value that no model can have.",
     .why = "engines stop there, or build another model"},
    {.id = "config.missing-key",
     .severity = Severity::kError,
     .text = "A key that the architecture needs is missing.",
     .why = "engines stop there, or take a default of another model",
     .repair = "requant fix SRC -o OUT adds those that the tensors tell"},
    {.id = "config.unknown-architecture",
     .severity = Severity::kError,
     .text = "requant does not know the architecture.",
     .why = "roles of tensors are guessed from their names",
     .repair = "add a file to data/architectures (its README.md says how)"},
    {.id = "config.unknown-model-type",
     .severity = Severity::kError,
     .text = "requant does not know the model_type beside a known architecture.",
     .why = "engines choose the config class by model_type"},
    {.id = "config.two-blocks",
     .severity = Severity::kError,
     .text = "Two blocks state a quantisation.",
     .why = "each engine reads another of them",
     .repair = "requant fix SRC -o OUT keeps the one that the tensors bear out"},
    {.id = "config.unknown-method",
     .severity = Severity::kError,
     .text = "quant_method names nothing that is known.",
     .why = "engines choose their loader by quant_method",
     .threads = "mistral.rs #1425, TensorRT-LLM #18664"},
    {.id = "config.method-disagrees",
     .severity = Severity::kError,
     .text = "quant_method names another dialect than the tensors have.",
     .why = "engines choose their loader by quant_method",
     .repair = "requant convert",
     .threads = "vllm #7580, #3392, mlx-lm #146"},
    {.id = "config.no-quantization",
     .severity = Severity::kError,
     .text = "No block states the quantisation of quantised weights.",
     .why = "engines build the model unquantised and cannot load it",
     .repair = "requant fix SRC -o OUT writes it",
     .threads = "TensorRT-Model-Connect PR #1115"},
    {.id = "config.block-key-missing",
     .severity = Severity::kWarning,
     .text = "The block lacks a key that engines ask for.",
     .why = "engines stop with: Cannot find any of [...] in the model's quantization config",
     .repair = "requant fix SRC -o OUT states it",
     .threads = "vllm #11122",
     .look = look_for_block_keys},
    {.id = "config.nested-quantization",
     .severity = Severity::kWarning,
     .text = "The block is inside a part's config, not at the top level.",
     .why = "engines that look at the top level only build the model unquantised",
     .repair = kFixHoist,
     .threads = "vllm #11122, PR #10120"},
    {.id = "config.top-level-only",
     .severity = Severity::kInfo,
     .text = "The block is at the top level only, and the language model has a config of its own.",
     .why = "programs that load the language model alone from that config lose the block",
     .repair = "requant fix SRC -o OUT --nest writes it there too",
     .threads = "transformers PR #45494",
     .look = look_for_top_level_only},
    {.id = "config.remote-code",
     .severity = Severity::kWarning,
     .text = "auto_map names Python code, of the folder or of another repository.",
     .why = "engines run it, or do not find it; requant runs none"},
    {.id = "config.dtype-disagrees",
     .severity = Severity::kWarning,
     .text = "torch_dtype is not how most unquantised weights are stored.",
     .why = "engines cast to the dtype that config.json names",
     .threads = "Qwen3 #315, #381"},
    {.id = "config.method-but-dense",
     .severity = Severity::kError,
     .text = "A block states a quantisation, and no weight is quantised.",
     .why = "engines look for quantised tensors that are not there",
     .repair = "requant fix SRC -o OUT removes the block"},
    {.id = "config.excluded-but-quantised",
     .severity = Severity::kError,
     .text = "A module that the config excludes is stored quantised.",
     .why = kCodesAsValues,
     .repair = kFixList,
     .threads = "sglang PR #32736"},
    {.id = "config.ignored-but-quantised",
     .severity = Severity::kError,
     .text = "A module that `ignore` covers is stored quantised.",
     .why = kCodesAsValues,
     .repair = kFixList,
     .threads = "vllm #25029, auto-round #586"},
    {.id = "config.targeted-but-dense",
     .severity = Severity::kError,
     .text = "A module that the config quantises is stored unquantised.",
     .why = "engines build it quantised and leave its scale at the initial value, silently",
     .repair = kFixList,
     .threads = "vllm PR #51910, #22929, llm-compressor #2641"},
    {.id = "config.untargeted-but-quantised",
     .severity = Severity::kError,
     .text = "No target matches a module that is stored quantised.",
     .why = kCodesAsValues,
     .threads = "vllm PR #12617, #31623"},
    {.id = "config.targeted-router",
     .severity = Severity::kInfo,
     .text = "The config targets a router that is stored unquantised.",
     .why = "some engines look for its quantised form: KeyError mlp.gate.qweight",
     .repair = kFixList,
     .threads = "vllm #25029"},
    {.id = "config.scheme-disagrees",
     .severity = Severity::kError,
     .text = "The config states another element type or strategy than the tensors have.",
     .why = "engines choose names, shapes and kernels by the config"},
    {.id = "config.format-disagrees",
     .severity = Severity::kWarning,
     .text = "The config states another format than that in which weights are stored.",
     .why = "engines choose the names and shapes of the tensors that they load by the format",
     .threads = "sglang PR #32736"},
    {.id = "config.stale-ignore",
     .severity = Severity::kWarning,
     .text = "An entry of `ignore` matches no module.",
     .why = "a name that went stale leaves modules quantised, or unquantised, that should not be",
     .repair = kFixList,
     .threads = "sglang #24927, vllm #22929, llm-compressor #2072, #2641, #3159"},
    {.id = "config.stale-exclusion",
     .severity = Severity::kWarning,
     .text = "An entry of the list of excluded modules matches no module.",
     .why = "a name that went stale leaves modules quantised, or unquantised, that should not be",
     .repair = kFixList,
     .threads = "llm-compressor #2641, vllm #9894",
     .look = look_for_stale_entries},
    {.id = "config.substring-exclusion",
     .severity = Severity::kInfo,
     .text = "An entry excludes modules as a part of their names only.",
     .why = "engines that compare whole names or paths do not find it",
     .repair = kFixList,
     .threads = "vllm PR #51910, sglang PR #32736",
     .look = look_for_substrings},
    {.id = "config.stale-target",
     .severity = Severity::kWarning,
     .text = "An entry of `targets` matches no module.",
     .why = "engines stop with: Unable to find matching target",
     .repair = "requant convert --to compressed-tensors writes the groups from the tensors",
     .threads = "vllm PR #12617, #31623",
     .look = look_for_stale_targets},
    {.id = "config.unlisted-tied-head",
     .severity = Severity::kWarning,
     .text = "`ignore` does not name the head that is tied to the embedding.",
     .why = "readers that build the head as a target look for its scales: it answers garbage",
     .repair = kFixList,
     .look = look_for_unlisted_tied_head},
    {.id = "config.stale-side-file",
     .severity = Severity::kWarning,
     .text = "A side file states another quantisation than config.json and the tensors.",
     .why = "some engines read it before config.json",
     .repair = "requant fix SRC -o OUT removes it or writes it anew",
     .threads = "TensorRT-LLM #2458",
     .look = look_for_side_files},
    {.id = "config.two-ties",
     .severity = Severity::kWarning,
     .text = "tie_word_embeddings differs between config.json and the language model's part.",
     .why = "each engine takes another of the two",
     .repair = "requant fix SRC -o OUT states in both what the tensors show",
     .threads = "sglang #2935, vllm #45543",
     .look = look_for_two_ties},
    {.id = "tensor.tied-head-stored",
     .severity = Severity::kWarning,
     .text = "config.json ties the head to the embedding, and a head is stored.",
     .why = "some engines use it and some use the embedding; some stop with a KeyError",
     .repair = "requant fix SRC -o OUT states what the tensors show",
     .threads = "sglang #2935, vllm #45543, PR #53170"},
    {.id = "tensor.missing",
     .severity = Severity::kError,
     .text = "A tensor that the architecture needs is not there.",
     .why = "engines leave it at its initial value, or do not load",
     .threads = "sglang #2935, GPTQModel PR #3077"},
    {.id = "tensor.shape",
     .severity = Severity::kError,
     .text = "A tensor has another shape than config.json asks for.",
     .why = "engines do not load it"},
    {.id = "tensor.dtype",
     .severity = Severity::kError,
     .text = "A weight is stored as numbers that have no meaning without scales.",
     .why = "engines load the codes as if they were values",
     .threads = "LTX-2 PR #172, stable-diffusion.cpp PR #1898"},
    {.id = "tensor.quantised-tower",
     .severity = Severity::kWarning,
     .text = "A vision or audio tower is quantised.",
     .why = "recipes leave towers alone; a stale ignore list quantises them unnoticed",
     .threads = "llm-compressor #2072, PR #2597, sglang #24927"},
});

}  // namespace

extern const RuleFamily k_rules_config;
const RuleFamily k_rules_config = {
    .name = "config",
    .text = "config.json against the tensors and the other files",
    .rules = kRules,
};

}  // namespace requant
