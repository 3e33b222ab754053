#include "plan/stored_modules.h"

#include <fmt/format.h>

#include "base/text.h"

namespace requant {
namespace {

// A run of rows of one member, as each side counts them.
struct Stretch {
  std::int64_t first = 0;
  std::int64_t step = 1;
};

Stretch stretch_of(const Composition& composition, Side side, std::size_t member,
                   std::int64_t time) {
  const std::int64_t rows = composition.members[member].rows;
  if (side == Side::kMembers) return {.first = time * rows};
  const std::int64_t period = composition.rows() / composition.times;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < member; ++i) before += composition.members[i].rows;
  const bool alternates = rows == 1 && composition.times > 1;
  return {.first = before + time * period, .step = alternates ? period : 1};
}

// By its shape, where that tells; else as the family has it.
bool is_transposed(const TensorInfo& info, const Composition& stack) {
  if (info.shape.size() != 3 || info.shape[1] == info.shape[2] || !stack.is_known()) {
    return stack.transposed;
  }
  if (info.shape[1] == stack.rows()) return false;
  return info.shape[2] == stack.rows() || stack.transposed;
}

}  // namespace

StoredModules::StoredModules(const Checkpoint& checkpoint) {
  for (const Weight& weight : checkpoint.weights()) weights_.emplace(weight.module, &weight);
  for (const DenseTensor& tensor : checkpoint.dense()) dense_.emplace(tensor.tensor->name, &tensor);
}

bool StoredModules::has_weight(const std::string& module) const {
  return weights_.contains(module) || dense_.contains(module) ||
         dense_.contains(module + ".weight");
}

Result<std::optional<StoredMatrix>> StoredModules::find(const std::string& module, Aspect aspect,
                                                        const Composition* stack) {
  const bool is_bias = aspect == Aspect::kBias;
  if (!is_bias) {
    const auto weight = weights_.find(module);
    if (weight != weights_.end()) return std::optional(StoredMatrix{.weight = weight->second});
  }
  const DenseTensor* tensor = nullptr;
  for (const std::string& name :
       {module + (is_bias ? ".bias" : ".weight"), is_bias ? module + "_bias" : module}) {
    const auto found = dense_.find(name);
    if (tensor == nullptr && found != dense_.end()) tensor = found->second;
  }
  if (tensor == nullptr) return std::optional<StoredMatrix>();
  const bool transposed = stack != nullptr && !is_bias && is_transposed(*tensor->tensor, *stack);
  RQ_TRY(Weight weight, dense_weight_of(*tensor, stack != nullptr, transposed));
  dense_weights_.push_back(std::move(weight));
  return std::optional(StoredMatrix{.weight = &dense_weights_.back(), .transposed = transposed});
}

Result<void> check_rows(const StoredMatrix& matrix, std::int64_t matrices, std::int64_t rows,
                        Aspect aspect) {
  const Weight& weight = *matrix.weight;
  const bool fits = weight.experts == matrices && weight.rows == rows * matrices &&
                    (aspect == Aspect::kWeight || weight.cols == 1);
  if (fits) return {};
  return corrupt(fmt::format("{} has {} matrices of {} rows, config.json asks for {} of {}",
                             printable(weight.parts.front().second->name), weight.experts,
                             weight.rows / weight.experts, matrices, rows));
}

void add_member_rows(const Composition& from, Side from_side, const Composition& to, Side to_side,
                     std::size_t member, std::size_t source, Assembly& assembly) {
  const std::int64_t rows = from.members[member].rows;
  const bool alternates = rows == 1 && to.members[member].rows == 1;
  const std::int64_t turns = alternates ? 1 : from.times;
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    const Stretch read = stretch_of(from, from_side, member, turn);
    const Stretch write = stretch_of(to, to_side, member, turn);
    assembly.runs.push_back({.source = source,
                             .from = read.first,
                             .from_step = read.step,
                             .to = write.first,
                             .to_step = write.step,
                             .count = alternates ? from.times : rows});
  }
}

}  // namespace requant
