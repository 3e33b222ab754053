#include "dialect/resolve.h"

#include <fmt/format.h>

#include "base/text.h"

namespace requant {

Finding make_finding(Severity severity, std::string rule, std::string where, std::string message) {
  Finding finding;
  finding.severity = severity;
  finding.rule = std::move(rule);
  finding.where = std::move(where);
  finding.message = std::move(message);
  return finding;
}

std::string Modules::first() const { return printable(first_); }

std::string Modules::text() const {
  return count_ == 1 ? first() : fmt::format("{} and {} more", first(), count_ - 1);
}

Module place_of(const ModuleTensors& module, const Facts& facts) {
  std::size_t rank = 0;
  for (const auto& [suffix, tensor] : module.parts) {
    if (suffix == "weight") rank = tensor->shape.size();
  }
  // Packed weights are matrices, whatever the rank of the tensors that store them.
  return facts.architecture.module(module.module, rank == 0 ? 2 : rank);
}

std::optional<Weight> weight_of(const ModuleTensors& module, const Module& place,
                                std::initializer_list<std::string_view> suffixes,
                                const Scheme& declared, const Codec& codec) {
  WeightParts shapes;
  Weight weight;
  for (const std::string_view suffix : suffixes) {
    const TensorInfo* tensor = module.find(suffix);
    if (tensor == nullptr) continue;
    shapes.emplace(suffix, Tensor{tensor->dtype, tensor->shape, {}});
    weight.parts.emplace_back(suffix, tensor);
  }
  const auto scheme = codec.scheme_of(shapes, declared);
  if (!scheme) return std::nullopt;
  weight.module = module.module;
  weight.codec = &codec;
  weight.scheme = *scheme;
  weight.place = place;
  return weight;
}

bool is_float(DType dtype) { return is_half_or_single(dtype) || dtype == DType::kF64; }

bool is_linear_like(Role role) {
  return role == Role::kLinear || role == Role::kExpert || role == Role::kLmHead ||
         role == Role::kRouter;
}

bool is_dense_linear(const ModuleTensors& module, const Module& place) {
  const TensorInfo* weight = module.find("weight");
  return weight != nullptr && weight->shape.size() == 2 && is_float(weight->dtype) &&
         is_linear_like(place.role);
}

std::string_view text_at(const Json* object, std::string_view key) {
  const Json* value = object == nullptr ? nullptr : object->find(key);
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

std::string declared_method(const Facts& facts) {
  for (const ConfigBlock& block : find_config_blocks(facts.config, facts.architecture)) {
    return std::string(text_at(block.block, "quant_method"));
  }
  return {};
}

ConfigBlock block_of_method(const Facts& facts, std::string_view method) {
  for (ConfigBlock& block : find_config_blocks(facts.config, facts.architecture)) {
    if (text_at(block.block, "quant_method") == method) return std::move(block);
  }
  return {};
}

std::vector<std::string> strings_of(const Json* list) {
  std::vector<std::string> texts;
  if (list == nullptr) return texts;
  for (const Json& item : list->items()) {
    if (const auto text = item.as_string()) texts.emplace_back(*text);
  }
  return texts;
}

}  // namespace requant
