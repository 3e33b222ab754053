#include "model/module_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "codec/assemble.h"

namespace requant {
namespace {

// The number of the expert in "model.layers.0.mlp.experts.3.up_proj", given the pattern of its
// name.
std::optional<std::int64_t> expert_in(std::string_view name, std::string_view pattern) {
  constexpr std::string_view kExpert = "{expert}";
  const std::size_t at = pattern.find(kExpert);
  if (at == std::string_view::npos || name.substr(0, at) != pattern.substr(0, at)) return {};
  std::int64_t number = 0;
  const auto read = std::from_chars(name.data() + at, name.data() + name.size(), number);
  if (read.ec != std::errc() || number < 0) return {};
  const std::string_view rest(read.ptr,
                              static_cast<std::size_t>(name.data() + name.size() - read.ptr));
  return rest == pattern.substr(at + kExpert.size()) ? std::optional(number) : std::nullopt;
}

// Where the rows of a member lie in the matrix that holds it.
std::optional<std::vector<std::int64_t>> member_rows(const Composition& composition,
                                                     std::string_view module) {
  if (!composition.is_known()) return std::nullopt;
  std::int64_t before = 0;
  const std::int64_t period = composition.rows() / composition.times;
  for (const Composition::Member& member : composition.members) {
    const auto expert = expert_in(module, member.module);
    const bool fits =
        composition.is_stack() ? expert && *expert < composition.experts : member.module == module;
    if (fits) {
      const std::int64_t first = composition.is_stack() ? *expert * composition.rows() : 0;
      std::vector<std::int64_t> rows;
      for (std::int64_t time = 0; time < composition.times; ++time) {
        for (std::int64_t row = 0; row < member.rows; ++row) {
          rows.push_back(first + time * period + before + row);
        }
      }
      return rows;
    }
    before += member.rows;
  }
  return std::nullopt;
}

Assembly assembly_of(const std::vector<std::int64_t>& rows, std::int64_t cols) {
  Assembly assembly{.rows = std::ssize(rows), .cols = cols, .runs = {}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && rows[i] == rows[i - 1] + 1) {
      ++assembly.runs.back().count;
    } else {
      assembly.runs.push_back({.from = rows[i], .to = static_cast<std::int64_t>(i), .count = 1});
    }
  }
  return assembly;
}

Result<std::vector<float>> floats_of(const Tensor& stored) {
  RQ_TRY(const Tensor values, to_f32(stored));
  const auto numbers = values.as<float>();
  return std::vector<float>(numbers.begin(), numbers.end());
}

}  // namespace

ModuleWeights::ModuleWeights(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {
  for (const Weight& weight : checkpoint.weights()) weights_.emplace(weight.module, &weight);
  for (const DenseTensor& tensor : checkpoint.dense()) dense_.emplace(tensor.tensor->name, &tensor);
}

bool ModuleWeights::stores(const std::string& module, std::string_view suffix) const {
  if (suffix == ".weight" && (weights_.contains(module) || dense_.contains(module))) return true;
  return dense_.contains(module + std::string(suffix));
}

std::optional<ModuleWeights::Place> ModuleWeights::place_of(const std::string& module,
                                                            std::string_view suffix) const {
  if (stores(module, suffix)) return Place{module, {}};
  const auto composition =
      checkpoint_.architecture().composition_with(module, checkpoint_.config());
  if (!composition || !stores(composition->module, suffix)) return std::nullopt;
  auto rows = member_rows(*composition, module);
  if (!rows) return std::nullopt;
  return Place{composition->module, std::move(*rows)};
}

bool ModuleWeights::has(const std::string& module) const {
  return place_of(module, ".weight").has_value();
}

Result<ModuleMatrix> ModuleWeights::quantised(const Weight& weight,
                                              const std::vector<std::int64_t>& rows) {
  if (read_ != weight.module || read_weight_.rows == 0) {
    RQ_TRY(read_weight_, checkpoint_.read(weight));
    read_ = weight.module;
  }
  QuantizedWeight own = read_weight_;
  if (rows.empty()) {
    read_weight_ = {};  // read once
  } else {
    if (rows.back() >= own.rows) return corrupt("its matrix has too few rows");
    RQ_TRY(own, assemble(assembly_of(rows, own.cols), std::span(&read_weight_, 1)));
  }
  ModuleMatrix result;
  result.activations = own.scheme.activations;
  if (!own.input_scale.empty()) {
    const auto scale = static_cast<float>(element_as_double(own.input_scale, 0));
    const bool divides = own.scheme.activations.orientation == Orientation::kDivisor;
    result.input_scale = divides ? 1 / scale : scale;
  }
  if (!own.input_zero.empty()) {
    result.input_zero = static_cast<float>(element_as_double(own.input_zero, 0));
  }
  RQ_TRY(result.matrix, kernel::RunMatrix::pack(own));
  return result;
}

Result<Tensor> ModuleWeights::rows_of(const DenseTensor& tensor,
                                      const std::vector<std::int64_t>& rows,
                                      const std::string& module) {
  if (rows.empty()) return checkpoint_.read(tensor);
  if (read_ != tensor.tensor->name || read_tensor_.empty()) {
    RQ_TRY(read_tensor_, checkpoint_.read(tensor));
    read_ = tensor.tensor->name;
  }
  Tensor whole = read_tensor_;
  const auto composition =
      checkpoint_.architecture().composition_with(module, checkpoint_.config());
  if (whole.shape.size() == 3 && composition && composition->transposed) {
    return refused("experts stored as [inputs, outputs] are not supported");
  }
  if (whole.shape.size() == 3) whole.shape = {whole.shape[0] * whole.shape[1], whole.shape[2]};
  if (whole.shape.empty() || whole.shape[0] <= rows.back()) {
    return corrupt("its matrix has too few rows");
  }
  Shape shape = whole.shape;
  shape[0] = std::ssize(rows);
  const std::size_t stride = whole.bytes.size() / static_cast<std::size_t>(whole.shape[0]);
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(whole.dtype, shape));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(builder.bytes().data() + i * stride,
                whole.bytes.data() + static_cast<std::size_t>(rows[i]) * stride, stride);
  }
  return std::move(builder).finish();
}

Result<ModuleMatrix> ModuleWeights::matrix(const std::string& module) {
  const auto place = place_of(module, ".weight");
  if (!place) return corrupt(printable(module) + ": no weight");
  const auto weight = weights_.find(place->holder);
  if (weight != weights_.end()) {
    RQ_TRY_IN(ModuleMatrix result, quantised(*weight->second, place->rows), printable(module));
    return result;
  }
  auto tensor = dense_.find(place->holder + ".weight");
  if (tensor == dense_.end()) tensor = dense_.find(place->holder);
  RQ_TRY_IN(const Tensor values, rows_of(*tensor->second, place->rows, module), printable(module));
  ModuleMatrix result;
  RQ_TRY_IN(result.matrix, kernel::RunMatrix::dense(values), printable(module));
  return result;
}

Result<std::vector<float>> ModuleWeights::bias(const std::string& module) {
  const auto place = place_of(module, ".bias");
  if (!place) return std::vector<float>();
  const DenseTensor& tensor = *dense_.find(place->holder + ".bias")->second;
  RQ_TRY_IN(const Tensor stored, rows_of(tensor, place->rows, module), printable(module));
  return floats_of(stored);
}

Result<std::vector<float>> ModuleWeights::norm(const std::string& module) {
  const auto found = dense_.find(module + ".weight");
  if (found == dense_.end()) return corrupt(printable(module) + ": no weight");
  RQ_TRY(const Tensor stored, checkpoint_.read(*found->second));
  return floats_of(stored);
}

}  // namespace requant
