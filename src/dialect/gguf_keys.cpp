#include "dialect/gguf_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "container/ggml_types.h"
#include "dialect/gguf_architectures.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMissing = "config.missing-key";
constexpr std::string_view kBad = "config.bad-value";
constexpr std::int64_t kMaxBlocks = 4096;
constexpr auto kVocabularies = std::to_array<std::string_view>(
    {"llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "none", "no_vocab"});

// "blk.12.attn_q.weight" -> 12; -1 for tensors outside the blocks.
std::int64_t block_of(std::string_view name) {
  const auto parts = split(name, '.');
  if (parts.size() < 3 || parts[0] != "blk" || parts[1].empty() || parts[1].size() > 9) return -1;
  std::int64_t number = 0;
  for (const char c : parts[1]) {
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

class Keys {
 public:
  Keys(const Source& source, std::vector<Finding>& findings)
      : source_(source), findings_(findings) {
    for (const auto& [key, text] : source.metadata()) {
      if (auto json = parse_json(text)) values_.emplace(key, *std::move(json));
    }
  }

  void run() {
    check_architecture();
    if (architecture_.empty()) return;
    check_blocks();
    check_sizes();
    check_vocabulary();
    check_tensors();
  }

 private:
  void add(std::string_view rule, std::string message) {
    findings_.push_back(make_finding(Severity::kError, std::string(rule),
                                     source_.files().front().label(), std::move(message)));
  }

  const Json* find(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  // A key of the architecture: "llama.block_count".
  std::string own(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }

  // A whole number within limits; nothing, with a finding, for anything else that is there.
  std::optional<std::int64_t> number(const std::string& key, std::int64_t least,
                                     std::int64_t most) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const auto whole = value->as_int();
    if (whole && *whole >= least && *whole <= most) return whole;
    add(kBad, fmt::format("'{}' is {}, expected a whole number from {} to {}", key,
                          printable(value->dump(), 80), least, most));
    return std::nullopt;
  }

  // How many items an array has; nothing where it is none.
  static std::optional<std::int64_t> count_of(const Json& value) {
    if (value.is_array()) return std::ssize(value.items());
    const Json* count = value.find("count");
    return count == nullptr ? std::nullopt : count->as_int();
  }
  static bool is_of_strings(const Json& value) {
    if (!value.is_array()) return text_at(&value, "array") == "string";
    return std::ranges::all_of(value.items(),
                               [](const Json& item) { return item.as_string().has_value(); });
  }

  void check_architecture() {
    const Json* value = find("general.architecture");
    if (value == nullptr) return add(kMissing, "'general.architecture' is not there");
    const auto name = value->as_string();
    if (!name || !is_gguf_architecture(*name)) {
      return add(kBad, fmt::format("'general.architecture' is {}, which llama.cpp does not have",
                                   printable(value->dump(), 80)));
    }
    architecture_ = *name;
  }

  bool has_blocks() const {
    return std::ranges::any_of(source_.tensors(),
                               [](const TensorInfo& tensor) { return block_of(tensor.name) >= 0; });
  }

  void check_blocks() {
    const std::string key = own("block_count");
    if (find(key) == nullptr) {
      if (has_blocks()) add(kMissing, fmt::format("'{}' is not there", key));
      return;
    }
    const auto count = number(key, 1, kMaxBlocks);
    if (!count) return;
    blocks_ = *count;
    for (const TensorInfo& tensor : source_.tensors()) {
      if (block_of(tensor.name) < *count) continue;
      return add("tensor.shape",
                 fmt::format("{}: beyond '{}', which is {}", printable(tensor.name), key, *count));
    }
  }

  // One number for all blocks, or one for each.
  void check_heads(const std::string& key) {
    const Json* value = find(key);
    if (value == nullptr) return;
    constexpr std::int64_t kMost = 1 << 16;
    if (const auto items = count_of(*value)) {
      if (blocks_ == 0 || *items == blocks_) return;
      return add(kBad, fmt::format("'{}' has {} numbers, expected one for each of {} blocks", key,
                                   *items, blocks_));
    }
    const bool attends = source_.find("blk.0.attn_q.weight") != nullptr;
    (void)number(key, attends ? 1 : 0, kMost);
  }

  void check_sizes() {
    constexpr std::int64_t kMost = std::int64_t{1} << 24;
    const std::string width_key = own("embedding_length");
    const auto width = number(width_key, 1, kMost);
    const TensorInfo* embedding = source_.find("token_embd.weight");
    if (width && embedding != nullptr && gguf_row_elements(*embedding) != *width) {
      add(kBad, fmt::format("'{}' is {}, the rows of token_embd.weight have {}", width_key, *width,
                            gguf_row_elements(*embedding)));
    }
    for (const char* key : {"attention.head_count", "attention.head_count_kv"}) {
      check_heads(own(key));
    }
    (void)number(own("rope.dimension_count"), 0, width.value_or(kMost));
    for (const char* key : {"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"}) {
      const Json* value = find(own(key));
      if (value == nullptr || value->as_double()) continue;
      add(kBad,
          fmt::format("'{}' is {}, expected a number", own(key), printable(value->dump(), 80)));
    }
  }

  void check_vocabulary() {
    const Json* model = find("tokenizer.ggml.model");
    if (model == nullptr) return;
    const auto name = model->as_string();
    if (!name || std::ranges::find(kVocabularies, *name) == kVocabularies.end()) {
      return add(kBad, fmt::format("'tokenizer.ggml.model' is {}, expected one of {}",
                                   printable(model->dump(), 80), fmt::join(kVocabularies, ", ")));
    }
    if (*name == "none" || *name == "no_vocab") return;
    const Json* tokens = find(kTokens);
    if (tokens == nullptr) return add(kMissing, fmt::format("'{}' is not there", kTokens));
    const auto count = count_of(*tokens);
    if (!count || !is_of_strings(*tokens)) {
      return add(kBad, fmt::format("'{}' is no array of strings", kTokens));
    }
    check_beside_tokens(*count);
    check_merges();
  }

  void check_beside_tokens(std::int64_t count) {
    for (const char* key : {"tokenizer.ggml.token_type", "tokenizer.ggml.scores"}) {
      const Json* value = find(key);
      if (value == nullptr || count_of(*value) == count) continue;
      add(kBad, fmt::format("'{}' has {} items, '{}' has {}", key, count_of(*value).value_or(0),
                            kTokens, count));
    }
    const TensorInfo* embedding = source_.find("token_embd.weight");
    if (embedding != nullptr && embedding->shape.size() == 2 && embedding->shape[0] != count) {
      add("tensor.shape", fmt::format("token_embd.weight has {} rows, '{}' has {}",
                                      embedding->shape[0], kTokens, count));
    }
    for (const auto& [key, value] : values_) {
      if (key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id")) {
        (void)number(key, 0, count - 1);
      }
    }
  }

  // Of short lists, which are kept.
  void check_merges() {
    const Json* merges = find("tokenizer.ggml.merges");
    if (merges == nullptr) return;
    for (const Json& merge : merges->items()) {
      const auto text = merge.as_string().value_or(" ");
      if (text.find(' ') != std::string_view::npos) continue;
      return add(kBad, fmt::format("'tokenizer.ggml.merges': {} has no space between its parts",
                                   in_quotes(text)));
    }
  }

  // Tensors without which those that are there have no use.
  void check_tensors() {
    struct Pair {
      std::string_view has, wants, or_else;
    };
    constexpr auto kPairs =
        std::to_array<Pair>({{"attn_k.weight", "attn_q.weight", "attn_q_b.weight"},
                             {"attn_q.weight", "attn_output.weight", "attn_out.weight"},
                             {"ffn_gate.weight", "ffn_up.weight", ""},
                             {"ffn_gate.weight", "ffn_down.weight", ""}});
    for (std::int64_t block = 0; block < blocks_; ++block) {
      const auto find_in = [&](std::string_view name) {
        return source_.find(fmt::format("blk.{}.{}", block, name));
      };
      for (const Pair& pair : kPairs) {
        if (find_in(pair.has) == nullptr || find_in(pair.wants) != nullptr) continue;
        if (!pair.or_else.empty() && find_in(pair.or_else) != nullptr) continue;
        add("tensor.missing", fmt::format("blk.{}.{} is not there, and blk.{}.{} is", block,
                                          pair.wants, block, pair.has));
      }
    }
  }

  static constexpr const char* kTokens = "tokenizer.ggml.tokens";
  const Source& source_;
  std::vector<Finding>& findings_;
  std::map<std::string, Json> values_;
  std::string architecture_;
  std::int64_t blocks_ = 0;
};

}  // namespace

std::int64_t gguf_row_elements(const TensorInfo& tensor) {
  const std::int64_t last = tensor.shape.empty() ? 1 : tensor.shape.back();
  const GgmlType* type = tensor.encoding().empty() ? nullptr : ggml_type(tensor.encoding());
  return type == nullptr ? last : last / type->block_bytes * type->block_elements;
}

Json gguf_key(const Source& source, const std::string& key) {
  const auto found = source.metadata().find(key);
  if (found == source.metadata().end()) return {};
  auto json = parse_json(found->second);
  return json ? *std::move(json) : Json();
}

Json gguf_config(const Source& source) {
  Json keys = Json::object();
  for (const auto& [key, text] : source.metadata()) {
    if (auto json = parse_json(text)) keys.set(key, *std::move(json));
  }
  Json config = Json::object();
  config.set("model_type", "gguf");
  config.set("gguf", std::move(keys));
  return config;
}

std::vector<Finding> check_gguf(const Source& source) {
  std::vector<Finding> findings;
  Keys(source, findings).run();
  return findings;
}

}  // namespace requant
