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

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bundle bundle = fuzz::Bundle::parse(fuzz::text_of(data, size));
  const auto folder = bundle.folder();
  if (folder == nullptr) return 0;
  const auto shown = Checkpoint::open(folder, "", {.lenient = true});
  const auto opened = Checkpoint::open(folder, "");
  fuzz::require(shown || !opened, "what opens can be shown");
  if (!opened) return 0;
  static_cast<void>(opened->writer());
  for (const Weight& weight : opened->weights()) {
    fuzz::require(weight.codec != nullptr && !weight.parts.empty(),
                  "a weight has a codec and parts");
    fuzz::require(weight.rows >= 0 && weight.cols >= 0, "a weight has a size");
  }
  for (const Dialect* dialect : dialects()) fuzz::state_in(*dialect, *opened);
  return 0;
}
