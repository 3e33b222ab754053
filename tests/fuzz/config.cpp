// config.json and side files against tensors: architecture, dialect, schemes; then what each
// dialect would state of such weights. No data is read.
#include <vector>

#include "bundle.h"
#include "checkpoint/checkpoint.h"
#include "target.h"

namespace requant::fuzz {
namespace {

constexpr std::size_t kStated = 64;  // weights

template <class Weights>
std::vector<TargetWeight> targets_of(const Weights& weights, const auto& holds) {
  std::vector<TargetWeight> targets;
  for (const auto& weight : weights) {
    if (targets.size() == kStated) break;
    if (!holds(weight)) continue;
    TargetWeight target{weight.module, weight.place, {}};
    if constexpr (requires { weight.scheme; }) target.scheme = weight.scheme;
    targets.push_back(std::move(target));
  }
  return targets;
}

void state_in(const Dialect& dialect, const Checkpoint& checkpoint) {
  if (dialect.codec_for == nullptr || dialect.quantization_config == nullptr) return;
  const auto quantized = targets_of(checkpoint.weights(), [&](const Weight& weight) {
    return dialect.codec_for(weight.scheme) != nullptr;
  });
  const auto unquantized = targets_of(checkpoint.dense(), [](const DenseTensor& tensor) {
    return tensor.is_weight && tensor.tensor->shape.size() == 2;
  });
  const ConfigRequest request{checkpoint.config(), checkpoint.architecture(), quantized,
                              unquantized};
  const auto block = dialect.quantization_config(request);
  if (block) require(static_cast<bool>(parse_json(block->dump())), "a block is JSON");
  if (dialect.side_files != nullptr) static_cast<void>(dialect.side_files(request));
}

bool is_printable(std::string_view text) { return text.find_first_of("\n\x1b") == text.npos; }

void look_at(const Checkpoint& checkpoint, bool is_whole) {
  require(checkpoint.is_readable() || checkpoint.weights().empty(), "only what can be read");
  require(checkpoint.root() == checkpoint.folder().label(), "it has a place");
  require(checkpoint.config().is_object(), "a config is an object");
  for (const Finding& finding : checkpoint.findings()) {
    require(!finding.rule.empty() && is_printable(finding.message),
            "a finding has a rule and text");
  }
  for (const std::string& line : checkpoint.dialect_evidence()) {
    require(is_printable(line), "evidence is printable");
  }
  for (const std::string& name : checkpoint.files()) {
    require(is_whole && checkpoint.folder().has(name), "a file is there");
  }
  std::uint64_t bytes = 0;
  for (const Weight& weight : checkpoint.weights()) {
    require(weight.codec != nullptr && !weight.parts.empty(), "a weight has a codec and parts");
    require(weight.rows >= 0 && weight.cols >= 0, "a weight has a size");
    for (const auto& [suffix, info] : weight.parts) {
      require(checkpoint.source().find(info->name) == info, "a part is one of the tensors");
    }
  }
  for (const DenseTensor& tensor : checkpoint.dense()) bytes += tensor.tensor->bytes;
  require(bytes <= checkpoint.source().total_bytes(), "no tensor is there twice");
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bundle bundle = fuzz::Bundle::parse(fuzz::text_of(data, size));
  const auto folder = bundle.folder();
  if (folder == nullptr) return 0;
  const std::string name = bundle.name();
  const auto shown = Checkpoint::open(folder, name, {.lenient = true});
  const auto opened = Checkpoint::open(folder, name);
  fuzz::require(shown || !opened, "what opens can be shown");
  if (shown) fuzz::look_at(*shown, name.empty());
  if (!opened) return 0;
  fuzz::look_at(*opened, name.empty());
  static_cast<void>(opened->writer());
  for (const Dialect* dialect : dialects()) fuzz::state_in(*dialect, *opened);
  return 0;
}
