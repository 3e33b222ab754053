#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/dialect.h"

namespace requant {

// What the dialects have in common when they turn modules into weights.

Finding make_finding(Severity severity, std::string rule, std::string where, std::string message);

// One finding for any number of modules: the first is named, the others are counted.
class Modules {
 public:
  void add(std::string_view module) {
    if (count_++ == 0) first_ = module;
  }
  bool any() const { return count_ > 0; }
  std::size_t count() const { return count_; }
  std::string first() const;
  // "model.layers.0.mlp.up_proj and 13 more".
  std::string text() const;

 private:
  std::string_view first_;
  std::size_t count_ = 0;
};

// The weight that these tensors of a module store, if `codec` knows them so. `declared` is what the
// config says. The size of the weight is the codec's business, so the caller fills rows and cols.
std::optional<Weight> weight_of(const ModuleTensors& module, const Module& place,
                                std::initializer_list<std::string_view> suffixes,
                                const Scheme& declared, const Codec& codec);

// Modules whose weight is a plain 2-D matrix of floats and that engines build as a Linear.
bool is_dense_linear(const ModuleTensors& module, const Module& place);
bool is_linear_like(Role role);
bool is_float(DType dtype);

// The place of a module in its model.
Module place_of(const ModuleTensors& module, const Facts& facts);

// The quant_method of the first config block, in lower case as it should be; empty where there is
// none or it is no string.
std::string declared_method(const Facts& facts);

// The first config block with that quant_method; its block is nullptr when there is none.
ConfigBlock block_of_method(const Facts& facts, std::string_view method);

// The strings of a JSON list; what is no string is left out.
std::vector<std::string> strings_of(const Json* list);

// A string member of an object, or empty.
std::string_view text_at(const Json* object, std::string_view key);

}  // namespace requant
