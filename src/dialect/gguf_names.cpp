#include "dialect/gguf_names.h"

#include <fmt/format.h>

#include <optional>

#include "arch/gguf_family.h"
#include "base/checked.h"
#include "base/text.h"
#include "dialect/gguf_keys.h"
#include "dialect/module_table.h"

namespace requant {
namespace {

constexpr std::string_view kExpert = "{expert}";

class Renaming {
 public:
  explicit Renaming(Source& source) : source_(source) {}

  Result<GgufModel> run() {
    GgufModel model;
    model.reason = find_obstacle();
    if (model.reason.empty()) {
      model.config = config();
      RQ_CHECK(rename());
      Source::Parts parts = std::move(source_).take_parts();
      parts.tensors = std::move(tensors_);
      RQ_TRY(model.source, Source::make(std::move(parts)));
      return model;
    }
    model.config = gguf_config(source_);
    model.source = std::move(source_);
    return model;
  }

 private:
  Json key(const std::string& name) const { return gguf_key(source_, name); }
  Json own_key(std::string_view name) const {
    return key(fmt::format("{}.{}", architecture_, name));
  }

  // Why the names have to stay; empty where nothing is in the way.
  std::string find_obstacle() {
    if (source_.tensors().empty()) return "there are no tensors";
    architecture_ = std::string(key("general.architecture").as_string().value_or(""));
    family_ = find_gguf_family(architecture_);
    if (family_ == nullptr) {
      return "no data of this build say what llama.cpp's names of this architecture mean";
    }
    const Json scaling = own_key("rope.scaling.type");
    if (scaling.is_string() && scaling.as_string() != "none") {
      return "its rope is scaled, which is not carried into a config.json yet";
    }
    for (const auto& [config, name] : family_->keys) {
      if (own_key(name).is_array()) return fmt::format("'{}' differs from block to block", name);
    }
    for (const TensorInfo& tensor : source_.tensors()) {
      const auto [module, suffix] = split_tensor_name(tensor.name);
      const bool is_part = suffix == "weight" || suffix == "bias" || suffix == "scale";
      if (!is_part || !family_->module_of(module)) {
        return printable(tensor.name) + " has no name outside llama.cpp that this build knows";
      }
    }
    return {};
  }

  Json config() const {
    Json config = Json::object();
    Json classes = Json::array();
    classes.append(family_->model_class);
    config.set("architectures", std::move(classes));
    config.set("model_type", family_->model_type);
    for (const auto& [name, own] : family_->keys) {
      Json value = own_key(own);
      if (!value.is_null()) config.set(name, std::move(value));
    }
    for (const auto& [name, value] : family_->values.members()) config.set(name, value);
    if (const TensorInfo* embedding = source_.find("token_embd.weight")) {
      config.set("vocab_size", embedding->shape.front());
    }
    config.set("hidden_act", "silu");
    config.set("tie_word_embeddings", source_.find("output.weight") == nullptr);
    for (const char* name : {"bos", "eos"}) {
      Json id = key(fmt::format("tokenizer.ggml.{}_token_id", name));
      if (!id.is_null()) config.set(fmt::format("{}_token_id", name), std::move(id));
    }
    return config;
  }

  Result<void> rename() {
    for (const TensorInfo& tensor : source_.tensors()) {
      const auto [old_module, suffix] = split_tensor_name(tensor.name);
      const std::string module = *family_->module_of(old_module);
      if (module.find(kExpert) != std::string::npos) {
        RQ_CHECK_IN(add_experts(tensor, module, suffix), printable(tensor.name));
        continue;
      }
      TensorInfo named = tensor;
      named.name = fmt::format("{}.{}", module, suffix);
      if (family_->rotary_pairs && suffix != "scale")
        RQ_CHECK_IN(unpair(old_module, named), printable(tensor.name));
      tensors_.push_back(std::move(named));
    }
    return {};
  }

  // Each expert's part of a tensor of all.
  Result<void> add_experts(const TensorInfo& tensor, const std::string& module,
                           std::string_view suffix) {
    const std::int64_t experts = own_key("expert_count").as_int().value_or(0);
    const bool is_stack = suffix == "scale" ? tensor.shape.size() == 1
                                            : suffix == "weight" && tensor.shape.size() == 3;
    if (!is_stack || tensor.shape.front() != experts) {
      return corrupt(
          fmt::format("{}, expected {} experts in front", to_string(tensor.shape), experts));
    }
    const std::size_t at = module.find(kExpert);
    const std::uint64_t bytes = tensor.bytes / static_cast<std::uint64_t>(experts);
    for (std::int64_t expert = 0; expert < experts; ++expert) {
      TensorInfo part = tensor;
      part.name = fmt::format("{}{}{}.{}", module.substr(0, at), expert,
                              module.substr(at + kExpert.size()), suffix);
      if (part.shape.size() > 1) {
        part.shape.erase(part.shape.begin());
      } else {
        part.shape = {1};
      }
      // No overflow: the whole tensor lies within the file.
      part.offset += static_cast<std::uint64_t>(expert) * bytes;
      part.bytes = bytes;
      tensors_.push_back(std::move(part));
    }
    return {};
  }

  Result<void> unpair(std::string_view module, TensorInfo& tensor) const {
    const bool is_query = module.ends_with(".attn_q");
    if (!is_query && !module.ends_with(".attn_k")) return {};
    Json count = is_query ? Json() : own_key("attention.head_count_kv");
    if (count.is_null()) count = own_key("attention.head_count");
    return pair_rows(count.as_int().value_or(0), tensor);
  }

  Source& source_;
  std::string architecture_;
  const GgufFamily* family_ = nullptr;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

Result<void> pair_rows(std::int64_t heads, TensorInfo& tensor) {
  const std::int64_t rows = tensor.shape.empty() ? 0 : tensor.shape.front();
  if (heads < 1 || rows % heads != 0 || rows / heads % 2 != 0) {
    return corrupt(fmt::format("{} rows for {} heads, expected pairs in each", rows, heads));
  }
  const std::int64_t half = rows / heads / 2;
  const std::int64_t width = tensor.shape.size() == 1 ? 1 : tensor.shape.back();
  TensorInfo::Special special = tensor.get_special();
  special.strided_shape = {heads, 2, half, width};
  special.strides = {2 * half * width, width, 2 * width, 1};
  tensor.set_special(std::move(special));
  return {};
}

Result<GgufModel> named_as_family(Source source) { return Renaming(source).run(); }

}  // namespace requant
