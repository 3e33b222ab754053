#include "container/tensor_order.h"

#include <algorithm>
#include <utility>

#include "base/natural_order.h"

namespace requant {

// Sorts places instead of the tensors themselves, which are much dearer to move.
void sort_by_name(std::vector<TensorInfo>& tensors) {
  const auto order = natural_order(
      tensors.size(), [&](std::size_t i) { return std::string_view(tensors[i].name); });
  if (std::ranges::is_sorted(order)) return;
  std::vector<TensorInfo> sorted;
  sorted.reserve(tensors.size());
  for (const std::uint32_t i : order) sorted.push_back(std::move(tensors[i]));
  tensors = std::move(sorted);
}

}  // namespace requant
