#include "rule/scale_table.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/threads.h"
#include "dialect/kv_cache.h"

namespace requant {
namespace {

constexpr auto kNames = std::to_array<ScaleName>({
    {"weight_scale", ScaleUse::kWeight},
    {"weight_scale_inv", ScaleUse::kWeight},
    {"scale", ScaleUse::kWeight},
    {"scales", ScaleUse::kWeight},
    {"scale_weight", ScaleUse::kWeight},
    {"absmax", ScaleUse::kWeight},
    {"SCB", ScaleUse::kWeight},
    {"weight_scale_2", ScaleUse::kOuter},
    {"weight_global_scale", ScaleUse::kOuter, true},
    {"input_scale", ScaleUse::kInput},
    {"input_global_scale", ScaleUse::kInput, true},
    {"k_scale", ScaleUse::kCache},
    {"v_scale", ScaleUse::kCache},
    {"q_scale", ScaleUse::kCache},
    {"output_scale", ScaleUse::kCache},
});

ScaleFacts facts_of(const TensorInfo& tensor, const Weight* weight) {
  ScaleFacts facts;
  const auto [module, suffix] = split_tensor_name(tensor.name);
  facts.tensor = &tensor;
  facts.module = module;
  facts.suffix = suffix;
  facts.name = scale_named(suffix);
  facts.weight = weight;
  return facts;
}

std::vector<ScaleFacts> scales_of(const Checkpoint& checkpoint) {
  std::vector<ScaleFacts> all;
  for (const Weight& weight : checkpoint.weights()) {
    for (const auto& [suffix, tensor] : weight.parts) {
      if (scale_named(split_tensor_name(tensor->name).second) != nullptr) {
        all.push_back(facts_of(*tensor, &weight));
      }
    }
  }
  for (const DenseTensor& dense : checkpoint.dense()) {
    const ScaleName* name = scale_named(split_tensor_name(dense.tensor->name).second);
    if (name == nullptr) continue;
    // "scale" beside no weight is a norm's, or a layer's own; but of weights that could not be
    // resolved nothing else is known.
    if (name->use == ScaleUse::kWeight && checkpoint.is_readable()) continue;
    all.push_back(facts_of(*dense.tensor, nullptr));
  }
  return all;
}

// The places of those to read.
std::vector<std::size_t> chosen(const std::vector<ScaleFacts>& all, std::uint64_t limit) {
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (limit == UINT64_MAX) return order;
  // The smallest, and of equals the first.
  std::vector<std::uint64_t> sizes(all.size());
  std::ranges::transform(all, sizes.begin(), [](const ScaleFacts& f) { return f.tensor->bytes; });
  const auto smaller = [&](std::size_t a, std::size_t b) {
    return std::pair(sizes[a], a) < std::pair(sizes[b], b);
  };
  if (order.size() > ScaleTable::kTensors) {
    std::nth_element(order.begin(), order.begin() + ScaleTable::kTensors, order.end(), smaller);
    order.resize(ScaleTable::kTensors);
  }
  std::sort(order.begin(), order.end(), smaller);
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  while (count < order.size()) {
    bytes += sizes[order[count]];
    if (bytes > limit) break;
    ++count;
  }
  order.resize(count);
  return order;
}

// On a server each is a request: a few small ones show what is wrong with all.
void keep_few(const std::vector<ScaleFacts>& all, std::vector<std::size_t>& order) {
  constexpr std::size_t kFarTensors = 64;
  constexpr std::uint64_t kFarBytes = std::uint64_t{1} << 20;
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  while (count < order.size() && count < kFarTensors) {
    bytes += all[order[count]].tensor->bytes;
    if (bytes > kFarBytes) break;
    ++count;
  }
  order.resize(count);
}

auto key_of(const ScaleFacts& facts) { return std::tie(facts.module, facts.suffix); }

}  // namespace

const ScaleName* scale_named(std::string_view suffix) {
  const auto at = std::ranges::find(kNames, suffix, &ScaleName::suffix);
  return at == kNames.end() ? nullptr : &*at;
}

Result<ScaleTable> ScaleTable::read(const Checkpoint& checkpoint, std::uint64_t bytes) {
  ScaleTable table;
  table.all_ = scales_of(checkpoint);
  std::vector<std::size_t> order = chosen(table.all_, bytes);
  const Folder& folder = checkpoint.folder();
  if (folder.is_far()) keep_few(table.all_, order);
  std::vector<Result<void>> results(order.size());
  const std::size_t grain = folder.is_far() ? 1 : 64;
  parallel_for(order.size(), grain, folder.readers(), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      ScaleFacts& facts = table.all_[order[i]];
      results[i] = or_out_of_memory([&] { return sum_up(checkpoint.source(), facts); });
      facts.is_read = static_cast<bool>(results[i]);
    }
  });
  for (Result<void>& result : results) RQ_CHECK(std::move(result));
  table.read_.assign(order.begin(), order.end());
  std::ranges::sort(table.read_, [&](std::uint32_t a, std::uint32_t b) {
    return key_of(table.all_[a]) < key_of(table.all_[b]);
  });
  return table;
}

std::size_t ScaleTable::not_read() const {
  return static_cast<std::size_t>(std::ranges::count(all_, false, &ScaleFacts::is_read));
}

const ScaleFacts* ScaleTable::find(std::string_view module, std::string_view suffix) const {
  const auto wanted = std::tie(module, suffix);
  const auto at = std::lower_bound(
      read_.begin(), read_.end(), wanted,
      [&](std::uint32_t place, const auto& key) { return key_of(all_[place]) < key; });
  if (at == read_.end() || key_of(all_[*at]) != wanted) return nullptr;
  return &all_[*at];
}

}  // namespace requant
