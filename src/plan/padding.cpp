#include "plan/padding.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/text.h"

namespace requant {
namespace {

constexpr std::int64_t kTile = 128;
constexpr std::int64_t kMostRanks = 1024;
constexpr std::int64_t kLargestUnit = std::int64_t{1} << 20;
constexpr std::string_view kKey = "padded";

// A size of the MLPs, and what its parts must be multiples of.
struct Size {
  std::int64_t value = 0;
  std::int64_t unit = kTile;
  bool is_quantised = false;
};
using Sizes = std::map<std::string, Size>;

bool is_mlp_size(const std::string& name) {
  return name.find("intermediate_size") != std::string::npos &&
         name.find_first_of("+*/") == std::string::npos;
}

// The module whose sizes are those of the weight: a member of a matrix that holds several.
std::string sized_module(const Checkpoint& checkpoint, const std::string& module) {
  const auto held = checkpoint.architecture().composition(module, checkpoint.config());
  return held ? held->member(0, 0) : module;
}

void add_module(const Checkpoint& checkpoint, const std::string& module, const Grid* grid,
                Sizes& sizes) {
  const Architecture& architecture = checkpoint.architecture();
  const std::string sized = sized_module(checkpoint, module);
  const auto names = architecture.size_names(sized);
  const auto values = architecture.sizes(sized, checkpoint.config());
  if (names.size() != 2 || values.size() != 2) return;
  for (std::size_t i = 0; i < 2; ++i) {
    if (!is_mlp_size(names[i])) continue;
    Size& size = sizes[names[i]];
    size.value = values[i];
    if (grid == nullptr) continue;
    size.is_quantised = true;
    const std::int64_t block = i == 0 ? grid->block_rows : grid->block_cols;
    if (block > 0 && !grid->flat) size.unit = std::lcm(size.unit, std::min(block, kLargestUnit));
    size.unit = std::min(size.unit, kLargestUnit);
  }
}

// A Linear or expert of such a size that the family's data do not describe.
Result<void> check_place(const Checkpoint& checkpoint, const std::string& module,
                         const Module& place, const Shape& shape,
                         const std::vector<GrownSize>& grown) {
  const bool may_be_mlp =
      place.role == Role::kLinear || place.role == Role::kExpert || place.role == Role::kUnknown;
  if (!may_be_mlp || place.tower != Tower::kLanguage) return {};
  if (!checkpoint.architecture().size_names(sized_module(checkpoint, module)).empty()) return {};
  for (const GrownSize& size : grown) {
    if (std::ranges::find(shape, size.from) == shape.end()) continue;
    return refused(
        fmt::format("--pad-for-tp: {} has a size of {}, and whether that is {} is not "
                    "known",
                    printable(module), size.from, size.key));
  }
  return {};
}

}  // namespace

Result<std::vector<GrownSize>> plan_padding(const Checkpoint& checkpoint, std::int64_t ranks,
                                            bool all) {
  if (ranks < 1 || ranks > kMostRanks) {
    return usage(fmt::format("--pad-for-tp: expected 1 to {}", kMostRanks));
  }
  if (!checkpoint.architecture().known()) {
    return refused("--pad-for-tp: no data of this family say which sizes are those of its MLPs");
  }
  Sizes sizes;
  for (const Weight& weight : checkpoint.weights()) {
    add_module(checkpoint, weight.module, &weight.scheme.grid, sizes);
  }
  for (const DenseTensor& tensor : checkpoint.dense()) {
    add_module(checkpoint, tensor.module, nullptr, sizes);
  }
  std::vector<GrownSize> grown;
  for (const auto& [key, size] : sizes) {
    const std::int64_t multiple = ranks * size.unit;
    const std::int64_t to = (size.value + multiple - 1) / multiple * multiple;
    if ((size.is_quantised || all) && to != size.value) grown.push_back({key, size.value, to});
  }
  for (const Weight& weight : checkpoint.weights()) {
    RQ_CHECK(check_place(checkpoint, weight.module, weight.place,
                         {weight.rows / weight.experts, weight.cols}, grown));
  }
  for (const DenseTensor& tensor : checkpoint.dense()) {
    const std::size_t rank = tensor.tensor->shape.size();
    const bool is_matrix = (rank == 2 && tensor.is_weight) || rank == 3;
    if (!is_matrix) continue;
    RQ_CHECK(check_place(checkpoint, tensor.module, tensor.place, tensor.tensor->shape, grown));
  }
  return grown;
}

Json with_sizes(const Checkpoint& checkpoint, const std::vector<GrownSize>& sizes) {
  Json config = checkpoint.config();
  for (const GrownSize& size : sizes) {
    checkpoint.architecture().set_language_value(config, size.key, size.to);
  }
  return config;
}

Json sizes_json(const std::vector<GrownSize>& sizes) {
  Json list = Json::array();
  for (const GrownSize& size : sizes) {
    list.append(Json::object({{"key", size.key}, {"from", size.from}, {"to", size.to}}));
  }
  return list;
}

std::vector<GrownSize> grown_sizes(const Checkpoint& checkpoint) {
  std::vector<GrownSize> sizes;
  const auto receipt = checkpoint.side().find("requant.json");
  const Json* list = receipt == checkpoint.side().end() ? nullptr : receipt->second.find(kKey);
  if (list == nullptr) return sizes;
  for (const Json& item : list->items()) {
    const Json* key = item.find("key");
    const Json* from = item.find("from");
    const Json* to = item.find("to");
    if (key == nullptr || from == nullptr || to == nullptr) continue;
    const auto first = from->as_int();
    const auto last = to->as_int();
    if (first && last && *first > 0 && *last > *first) {
      sizes.push_back({std::string(key->as_string().value_or("")), *first, *last});
    }
  }
  return sizes;
}

}  // namespace requant
