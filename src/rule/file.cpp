// Files: what they are, whether they are whole, and whether they belong together.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "rule/run.h"

namespace requant {
namespace {

void look_for_format(RuleRun& run) {
  const Source& source = run.checkpoint().source();
  if (source.container() != "safetensors" || source.files().empty()) return;
  if (source.metadata().contains("format")) return;
  run.add(printable(source.files().front().label()), "its __metadata__ has no \"format\"");
}

constexpr std::string_view kPickleEnds[] = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"};

void look_for_pickles(RuleRun& run) {
  if (run.checkpoint().source().container() == "pytorch") return;  // said already
  std::vector<std::string> names;
  for (const std::string& name : run.checkpoint().files()) {
    const bool is_pickle =
        std::ranges::any_of(kPickleEnds, [&](std::string_view end) { return name.ends_with(end); });
    if (is_pickle) names.push_back(printable(name, 80));
  }
  if (names.empty()) return;
  run.add(names.front(),
          fmt::format(
              "lies beside safetensors{}",
              names.size() > 1 ? fmt::format(", with {} more of its kind", names.size() - 1) : ""));
}

void look_for_orphans(RuleRun& run) {
  for (const std::string& name : run.checkpoint().files()) {
    if (!name.ends_with(".safetensors") || name.starts_with(".")) continue;
    run.add(printable(name), "is no part of the model that is read");
  }
}

constexpr auto kRules = std::to_array<Rule>({
    {.id = "file.lfs-pointer",
     .severity = Severity::kError,
     .text = "A weight file is a git-lfs pointer of a hundred bytes.",
     .why = "readers take its text for a header: HeaderTooLarge",
     .repair = "git lfs pull, or download the file again",
     .threads = "transformers #27923, exllama #242",
     .stops = true},
    {.id = "file.other-type",
     .severity = Severity::kError,
     .text = "A weight file is something else under that name: a web page, a zip, a pickle.",
     .why = "no reader opens it",
     .repair = "download the file again",
     .threads = "transformers #27923, airllm #93",
     .stops = true},
    {.id = "file.truncated",
     .severity = Severity::kError,
     .text = "A weight file ends before its last tensor does.",
     .why = "no reader opens it",
     .repair = "download the file again",
     .threads = "transformers #27923, MFTCoder #20",
     .stops = true},
    {.id = "file.ranges",
     .severity = Severity::kError,
     .text = "The data of tensors overlap, leave gaps, or run past the end.",
     .why = "readers refuse the file, or load bytes of another tensor",
     .threads = "transformers #27923",
     .stops = true},
    {.id = "file.duplicate-key",
     .severity = Severity::kError,
     .text = "A JSON object has the same key twice.",
     .why = "each reader takes another of the two",
     .stops = true},
    {.id = "file.index",
     .severity = Severity::kError,
     .text = "The index names tensors that no shard has, or another shard than has them.",
     .why = "engines leave such weights at zero, or do not load",
     .repair = "requant fix SRC -o OUT rebuilds the index from the headers",
     .threads = "GPTQModel PR #3077",
     .stops = true},
    {.id = "file.shards",
     .severity = Severity::kError,
     .text = "A shard is not there.",
     .why = "the model is not whole",
     .repair = "download the shard",
     .threads = "transformers #27923",
     .stops = true},
    {.id = "file.not-json",
     .severity = Severity::kError,
     .text = "A side file is no JSON object.",
     .why = "engines that read it stop there"},
    {.id = "file.note",
     .severity = Severity::kInfo,
     .text = "Something about the files is odd, and legal.",
     .why = "it may mean that files of two models lie in one folder"},
    {.id = "file.pickle",
     .severity = Severity::kInfo,
     .text = "The weights are PyTorch pickle files.",
     .why = "other readers run the program inside; requant reads the data and runs nothing",
     .repair = "requant convert writes safetensors"},
    {.id = "file.pickle-beside",
     .severity = Severity::kInfo,
     .text = "Pickle files lie beside the safetensors.",
     .why = "whoever loads them runs the program inside; no engine needs them",
     .repair = "leave them out of what is served",
     .look = look_for_pickles},
    {.id = "file.orphan-shard",
     .severity = Severity::kWarning,
     .text = "A safetensors file is no part of the model that is read.",
     .why = "engines that load every file of the folder load tensors twice, or foreign ones",
     .repair = "remove it, or name it in the index (requant fix SRC -o OUT rebuilds that)",
     .threads = "GPTQModel PR #3077",
     .look = look_for_orphans},
    {.id = "file.no-format",
     .severity = Severity::kWarning,
     .text = "The safetensors files do not say {\"format\": \"pt\"}.",
     .why = "transformers before 4.56 refuses files without it",
     .repair = "requant convert writes it",
     .look = look_for_format},
});

}  // namespace

extern const RuleFamily k_rules_file;
const RuleFamily k_rules_file = {
    .name = "file",
    .text = "files: what they are, whether they are whole and belong together",
    .rules = kRules,
};

}  // namespace requant
