#include "plan/importance.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "arch/gguf_family.h"
#include "base/file.h"
#include "base/text.h"
#include "container/container.h"
#include "plan/plan.h"

namespace requant {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;
constexpr std::int32_t kLongestName = 4096;
constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

using Numbers = std::map<std::string, std::vector<float>, std::less<>>;

// Means of squares are finite, and not below 0.
Result<void> add(Numbers& all, std::string name, std::vector<float> numbers) {
  for (const float number : numbers) {
    if (std::isfinite(number) && number >= 0) continue;
    return refused(fmt::format("{}: an importance is {}", printable(name), number));
  }
  std::string label = printable(name);
  if (all.emplace(std::move(name), std::move(numbers)).second) return {};
  return corrupt(label + " is there twice");
}

// The older form, field by field.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : left_(bytes) {}

  Result<std::int32_t> number(std::int32_t most) {
    std::int32_t value = 0;
    RQ_TRY(const auto bytes, take(sizeof(value)));
    std::memcpy(&value, bytes.data(), sizeof(value));
    if (value >= 0 && value <= most) return value;
    return corrupt(fmt::format("a number is {}, expected 0 to {}", value, most));
  }

  Result<std::string_view> take(std::size_t count) {
    if (count > left_.size()) return corrupt("it ends within an entry");
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view left_;
};

Result<Numbers> read_older(std::string_view bytes) {
  Numbers all;
  Fields fields(bytes);
  RQ_TRY(const std::int32_t entries, fields.number(INT32_MAX));
  for (std::int32_t i = 0; i < entries; ++i) {
    RQ_TRY(const std::int32_t length, fields.number(kLongestName));
    RQ_TRY(const auto name, fields.take(static_cast<std::size_t>(length)));
    RQ_TRY(const std::int32_t calls, fields.number(INT32_MAX));
    RQ_TRY(const std::int32_t count, fields.number(INT32_MAX));
    RQ_TRY(const auto data, fields.take(static_cast<std::size_t>(count) * sizeof(float)));
    std::vector<float> numbers(static_cast<std::size_t>(count));
    if (count > 0) std::memcpy(numbers.data(), data.data(), data.size());
    if (calls > 0) {
      for (float& number : numbers) number /= static_cast<float>(calls);
    }
    RQ_CHECK(add(all, std::string(name), std::move(numbers)));
  }
  return all;
}

Result<Tensor> read_f32(const Source& source, const TensorInfo& info, std::int64_t matrices) {
  if (info.dtype == DType::kF32 && !info.shape.empty() && info.shape.size() <= 2 &&
      (info.shape.size() == 1 ? 1 : info.shape[0]) == matrices) {
    return source.read(info);
  }
  return corrupt(
      fmt::format("{} is {} {}", printable(info.name), name_of(info.dtype), to_string(info.shape)));
}

Result<Numbers> read_gguf(const std::filesystem::path& file) {
  Numbers all;
  RQ_TRY(const Source source, open_source(file));
  for (const TensorInfo& info : source.tensors()) {
    if (!std::string_view(info.name).ends_with(kSums)) continue;
    std::string name = info.name.substr(0, info.name.size() - kSums.size());
    const TensorInfo* count_info = source.find(name + std::string(kCounts));
    if (count_info == nullptr) return corrupt(printable(name) + " has no counts");
    const std::int64_t matrices = info.shape.size() < 2 ? 1 : info.shape[0];
    RQ_TRY(const Tensor sums, read_f32(source, info, matrices));
    RQ_TRY(const Tensor counts, source.read(*count_info));
    if (counts.dtype != DType::kF32 || counts.elements() != matrices) {
      return corrupt(fmt::format("{} has not one of its counts for each of {} matrices",
                                 printable(name), matrices));
    }
    const auto values = sums.as<float>();
    const std::size_t cols = values.size() / static_cast<std::size_t>(matrices);
    std::vector<float> numbers(values.begin(), values.end());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const float count = counts.as<float>()[i / cols];
      // A matrix that saw no input: all of its inputs alike.
      numbers[i] = count > 0 ? numbers[i] / count : 1;
    }
    RQ_CHECK(add(all, std::move(name), std::move(numbers)));
  }
  return all;
}

}  // namespace

Result<Importance> Importance::read(const std::filesystem::path& file) {
  const std::string name = printable(file.string(), 4096);
  RQ_TRY(const Bytes bytes, read_small_file(file, kMaxBytes));
  Importance importance;
  RQ_TRY_IN(importance.by_tensor_,
            bytes.text().starts_with("GGUF") ? read_gguf(file) : read_older(bytes.text()), name);
  if (importance.by_tensor_.empty()) return refused(name + ": no tensor has an importance there");
  return importance;
}

Result<std::optional<Tensor>> Importance::find(std::string_view tensor, std::int64_t index,
                                               std::int64_t cols) const {
  std::optional<Tensor> none;
  const auto found = by_tensor_.find(tensor);
  if (found == by_tensor_.end()) return none;
  const auto count = std::ssize(found->second);
  if (count % cols != 0 || index >= count / cols) {
    return refused(fmt::format("{} importances of {}, expected a row of {} for each matrix", count,
                               printable(tensor), cols));
  }
  RQ_TRY(TensorBuilder row, TensorBuilder::make(DType::kF32, {cols}));
  std::ranges::copy_n(found->second.begin() + index * cols, cols, row.as<float>().begin());
  return std::optional(std::move(row).finish());
}

Result<void> add_importance(const Checkpoint& checkpoint, const Importance& importance,
                            Plan& plan) {
  const Json* type = checkpoint.config().find("model_type");
  const auto name = type == nullptr ? std::nullopt : type->as_string();
  const GgufFamily* family = name ? find_gguf_family_of(*name) : nullptr;
  bool is_used = false;
  for (WeightStep& step : plan.weights) {
    if (!plan.routes[step.route].chain.rounds_as_ggml || family == nullptr) continue;
    const auto tensor = family->name_of(step.weight->module);
    if (!tensor) continue;
    const std::int64_t index = std::max<std::int64_t>(tensor->expert, 0);
    auto found = importance.find(tensor->module + ".weight", index, step.weight->cols);
    // llama.cpp, too, does without that of the embedding where it does not fit.
    if (!found && step.weight->place.role == Role::kEmbedding) continue;
    if (!found) return std::move(found).error();
    if (!*found) continue;
    if (step.regrouped != nullptr) {
      return refused(printable(step.weight->module) +
                     ": it is put together from rows of others, which is not done by importance");
    }
    step.importance = **std::move(found);
    is_used = true;
  }
  if (is_used) return {};
  return refused("--imatrix: it has an importance for none of the weights");
}

}  // namespace requant
