// GGUF: the type of each tensor is in the file's own table, and what the model is in its keys.
// Names are those of llama.cpp ("blk.0.attn_q.weight"); the experts of a layer are one tensor.

#include <fmt/format.h>

#include "base/checked.h"
#include "base/letter_case.h"
#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/gguf_keys.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kName = "gguf";

std::string key_of(const Facts& facts, const std::string& key) {
  return std::string(gguf_key(facts.source, key).as_string().value_or(""));
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (facts.source.container() != kName) return result;
  result.match = Match::kYes;
  result.evidence.push_back("the files are GGUF, of the architecture " +
                            in_quotes(key_of(facts, "general.architecture")));
  return result;
}

// What a module is, of those that the guess by rank and name gets wrong.
Module place_in_gguf(const ModuleTensors& module, const Facts& facts) {
  Module place = facts.architecture.module(module.module, 2);
  const std::string_view last = split_tensor_name(module.module).second;
  if (last == "token_embd") place.role = Role::kEmbedding;
  if (last.ends_with("_exps")) place.role = Role::kExpert;
  if (last == "ffn_gate_inp") place.role = Role::kRouter;
  return place;
}

Result<Weight> resolve_weight(const ModuleTensors& module, const TensorInfo& tensor,
                              const Facts& facts) {
  const Codec* codec = find_codec(fmt::format("gguf-{}", to_lower(tensor.encoding())));
  if (codec == nullptr) {
    return refused(fmt::format("{} is {}, which no file is meant to store", printable(tensor.name),
                               tensor.encoding()));
  }
  // NVFP4 has its factor in a tensor of its own.
  ModuleTensors parts{.module = module.module, .parts = {{"weight", &tensor}}};
  if (const TensorInfo* scale = module.find("scale")) parts.parts.emplace_back("scale", scale);
  const bool has_factor = tensor.encoding() == "NVFP4";
  auto weight = has_factor ? weight_of(parts, {}, {"weight", "scale"}, {}, *codec)
                           : weight_of(parts, {}, {"weight"}, {}, *codec);
  if (!weight) return corrupt(describe(tensor) + ", and the scale beside it does not fit");
  weight->place = place_in_gguf(module, facts);
  Checked rows(1);
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    rows = rows * Checked::from_signed(tensor.shape[i]);
  }
  weight->rows = static_cast<std::int64_t>(rows.value().value_or(0));
  weight->cols = gguf_row_elements(tensor);
  if (tensor.shape.size() == 3) weight->experts = tensor.shape[0];
  return *std::move(weight);
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    for (const auto& [suffix, tensor] : module.parts) {
      if (tensor->encoding().empty()) continue;
      if (suffix != "weight") {
        return refused(fmt::format("{} is {}: only tensors that end in '.weight' can be read",
                                   printable(tensor->name), tensor->encoding()));
      }
      RQ_TRY(auto weight, resolve_weight(module, *tensor, facts));
      resolution.weights.push_back(std::move(weight));
    }
  }
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  WriterGuess guess;
  guess.tool = key_of(facts, "general.quantized_by");
  if (!guess.tool.empty()) guess.evidence = {"general.quantized_by says so"};
  return guess;
}

const Codec* codec_for(const Scheme& scheme) {
  for (const Codec* codec : codecs()) {
    if (codec->name.starts_with("gguf-") && codec->encode != nullptr && codec->holds(scheme)) {
      return codec;
    }
  }
  return nullptr;
}

}  // namespace

extern const Dialect k_dialect_gguf;
const Dialect k_dialect_gguf = {
    .name = kName,
    .long_name = "GGUF: every block type of ggml",
    .source = "ggml-org/llama.cpp of llama-cpp-python 0.3.36; gguf-py 0.19.0",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantises_embeddings = true,
};

}  // namespace requant
