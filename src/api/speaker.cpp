#include "api/speaker.h"

#include <algorithm>

#include "api/run_model.h"
#include "base/json.h"

namespace requant {
namespace {

constexpr std::size_t kPiece = 128;  // tokens that go through the model together

void add_ids(const Json* value, std::vector<std::uint32_t>& ids) {
  if (value == nullptr) return;
  if (const auto one = value->as_uint()) ids.push_back(static_cast<std::uint32_t>(*one));
  for (const Json& item : value->items()) add_ids(&item, ids);
}

// Tokens that end a text, as generation_config.json and config.json have them.
std::vector<std::uint32_t> end_tokens(const Checkpoint& checkpoint) {
  std::vector<std::uint32_t> ids;
  const std::string name = "generation_config.json";
  if (checkpoint.folder().has(name)) {
    const auto file = checkpoint.folder().open(name);
    const auto bytes = file ? read_small_file(*file, 1 << 20) : Result<Bytes>(file.error());
    if (bytes) {
      if (const auto json = parse_json(bytes->text())) add_ids(json->find("eos_token_id"), ids);
    }
  }
  add_ids(checkpoint.config().find("eos_token_id"), ids);
  for (const std::string& key : checkpoint.architecture().language_config_keys()) {
    const Json* own = checkpoint.config().find(key);
    if (own != nullptr) add_ids(own->find("eos_token_id"), ids);
  }
  return ids;
}

// Text that further tokens will not change: the beginning of a character is held back.
std::string_view settled(std::string_view text) {
  constexpr std::string_view kBroken = "\uFFFD";
  while (text.ends_with(kBroken)) text.remove_suffix(kBroken.size());
  return text;
}

}  // namespace

Result<std::vector<float>> hidden_states(const Model& model, std::span<const std::uint32_t> tokens,
                                         SequenceCache& cache) {
  std::vector<float> states;
  for (std::size_t at = 0; at < tokens.size(); at += kPiece) {
    const auto piece = tokens.subspan(at, std::min(kPiece, tokens.size() - at));
    RQ_TRY(const std::vector<float> own, model.hidden(piece, cache));
    states.insert(states.end(), own.begin(), own.end());
  }
  return states;
}

Result<Speaker> Speaker::open(const RunOptions& options) {
  RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(options.source));
  RQ_TRY(Tokenizer tokenizer, Tokenizer::open(checkpoint.folder()));
  RQ_TRY(Model model, load_model(checkpoint, options));
  return Speaker(std::move(tokenizer), std::move(model), end_tokens(checkpoint));
}

Result<std::vector<float>> Speaker::read(std::span<const std::uint32_t> tokens) {
  const bool goes_on =
      read_.size() < tokens.size() && std::ranges::equal(read_, tokens.subspan(0, read_.size()));
  if (!goes_on) {
    cache_ = {};
    read_.clear();
  }
  const auto rest = tokens.subspan(read_.size());
  read_.assign(tokens.begin(), tokens.end());
  RQ_TRY(std::vector<float> states, hidden_states(model_, rest, cache_));
  const std::size_t width = states.size() / rest.size();
  states.erase(states.begin(), states.end() - static_cast<std::ptrdiff_t>(width));
  return states;
}

Result<Continuation> Speaker::go_on(std::vector<std::uint32_t> prompt, std::uint64_t max_tokens,
                                    const std::function<void(std::string_view)>& on_text) {
  if (prompt.empty()) return usage("a prompt of no tokens");
  Continuation result{.prompt = prompt, .ids = {}, .text = {}};
  std::vector<std::uint32_t> all = std::move(prompt);
  RQ_TRY(std::vector<float> state, read(all));
  std::size_t told = 0;
  while (result.ids.size() < max_tokens) {
    const auto scores = model_.logits(state);
    const auto next = static_cast<std::uint32_t>(std::ranges::max_element(scores) - scores.begin());
    result.ended = std::ranges::find(ends_, next) != ends_.end();
    if (result.ended) break;
    result.ids.push_back(next);
    all.push_back(next);
    RQ_TRY(result.text, tokenizer_.decode(result.ids, SpecialTokens::kLeave));
    const std::string_view text = settled(result.text);
    if (on_text && text.size() > told) {
      on_text(text.substr(told));
      told = text.size();
    }
    if (result.ids.size() == max_tokens) break;
    RQ_TRY(state, read(all));
  }
  if (on_text && result.text.size() > told) on_text(std::string_view(result.text).substr(told));
  return result;
}

}  // namespace requant
