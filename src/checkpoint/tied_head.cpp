#include "checkpoint/tied_head.h"

#include <algorithm>

namespace requant {
namespace {

// The name of the head that no file holds because it is the embedding; empty: not known.
std::string head_beside(std::string_view embedding, const Architecture& architecture) {
  constexpr std::string_view kHead = "lm_head";
  if (!architecture.known()) return std::string(kHead);
  for (std::size_t dot = embedding.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = embedding.rfind('.', dot - 1)) {
    std::string name = std::string(embedding.substr(0, dot + 1)).append(kHead);
    if (architecture.describes(name)) return name;
  }
  return std::string(architecture.describes(kHead) ? kHead : "");
}

const DenseTensor* embedding_of(const Checkpoint& checkpoint) {
  for (const DenseTensor& tensor : checkpoint.dense()) {
    const bool is_embedding = tensor.place.role == Role::kEmbedding && tensor.is_weight &&
                              tensor.place.tower == Tower::kLanguage;
    if (is_embedding) return &tensor;
  }
  return nullptr;
}

}  // namespace

bool ties_embeddings(const Json& config, const Architecture& architecture) {
  for (const std::string& key : architecture.language_config_keys()) {
    const Json* value = config.at({key, "tie_word_embeddings"});
    if (value != nullptr) return value->as_bool().value_or(false);
  }
  const Json* value = config.find("tie_word_embeddings");
  return value != nullptr && value->as_bool().value_or(false);
}

std::string tied_head(const Checkpoint& checkpoint) {
  const Architecture& architecture = checkpoint.architecture();
  if (!ties_embeddings(checkpoint.config(), architecture)) return {};
  const DenseTensor* embedding = embedding_of(checkpoint);
  return embedding == nullptr ? std::string() : head_beside(embedding->module, architecture);
}

void add_tied_head(const Checkpoint& checkpoint, const std::vector<TargetWeight>& quantized,
                   std::vector<TargetWeight>& unquantized) {
  const auto is_head = [](const TargetWeight& weight) {
    return weight.place.role == Role::kLmHead && weight.place.layer < 0;
  };
  const std::string head = tied_head(checkpoint);
  if (head.empty() || std::ranges::any_of(quantized, is_head) ||
      std::ranges::any_of(unquantized, is_head)) {
    return;
  }
  unquantized.push_back({head, checkpoint.architecture().module(head, 2),
                         Scheme::dense(embedding_of(checkpoint)->tensor->dtype)});
}

}  // namespace requant
