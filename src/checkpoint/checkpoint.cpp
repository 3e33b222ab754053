#include "checkpoint/checkpoint.h"

#include <atomic>
#include <utility>

#include "base/text.h"
#include "checkpoint/state.h"

namespace requant {

namespace {

std::atomic<bool> g_keeps_memory = false;
std::atomic<Checkpoint::State*> g_kept = nullptr;  // the last one, which knows the one before

}  // namespace

void Checkpoint::keep_memory_until_exit() { g_keeps_memory = true; }

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() {
  if (state_ == nullptr || !g_keeps_memory) return;
  State* state = state_.release();
  state->kept_before = g_kept.exchange(state);
}

const std::filesystem::path& Checkpoint::root() const { return state_->root; }
const Folder& Checkpoint::folder() const { return *state_->folder; }
const Json& Checkpoint::config() const { return state_->config; }
bool Checkpoint::config_is_ascii() const { return state_->config_is_ascii; }
const std::map<std::string, Json>& Checkpoint::side() const { return state_->side; }
const Source& Checkpoint::source() const { return state_->source; }
const Architecture& Checkpoint::architecture() const { return state_->architecture; }
const Dialect& Checkpoint::dialect() const { return *state_->dialect; }
const std::vector<std::string>& Checkpoint::dialect_evidence() const { return state_->evidence; }
bool Checkpoint::is_readable() const { return state_->readable; }
std::span<const Weight> Checkpoint::weights() const { return state_->weights; }
std::span<const DenseTensor> Checkpoint::dense() const { return state_->dense; }
std::span<const Finding> Checkpoint::findings() const { return state_->findings; }
const std::vector<std::string>& Checkpoint::files() const { return state_->files; }

WriterGuess Checkpoint::writer() const {
  const auto receipt = state_->side.find("requant.json");
  if (receipt != state_->side.end()) {
    const Json* version = receipt->second.find("requant");
    const auto text = version == nullptr ? std::nullopt : version->as_string();
    if (text) return {"requant", printable(*text, 32), {"there is a requant.json"}};
  }
  return state_->dialect->writer == nullptr ? WriterGuess()
                                            : state_->dialect->writer(*state_->facts);
}

Result<WeightParts> Checkpoint::read_parts(const Weight& weight) const {
  WeightParts parts;
  for (const auto& [suffix, info] : weight.parts) {
    RQ_TRY(auto tensor, state_->source.read(*info));
    parts.emplace(suffix, std::move(tensor));
  }
  return parts;
}

Result<QuantizedWeight> Checkpoint::read(const Weight& weight) const {
  if (weight.codec->decode == nullptr) {
    return refused(printable(weight.module) + ": " + std::string(weight.codec->long_name));
  }
  RQ_TRY(const WeightParts parts, read_parts(weight));
  const std::string& file = state_->source.files()[weight.parts.front().second->file].label();
  RQ_TRY_IN(auto decoded, weight.codec->decode(parts, weight.scheme),
            printable(file) + ": " + printable(weight.module));
  return decoded;
}

Result<Tensor> Checkpoint::read(const DenseTensor& tensor) const {
  return state_->source.read(*tensor.tensor);
}

}  // namespace requant
