#include "plan/shards.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/name_index.h"
#include "base/natural_order.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::size_t kIndexLine = 48;  // of an index, besides the name

struct Group {
  std::uint64_t bytes = 0;
  std::vector<std::uint32_t> outputs;
};

// In the order in which the first tensor of each key comes.
std::vector<Group> group_by_key(const std::vector<ShardItem>& items,
                                const std::vector<std::uint32_t>& order,
                                const std::vector<OutputTensor>& outputs) {
  std::vector<Group> groups;
  std::vector<std::uint32_t> first_items;  // of the groups
  NameIndex by_key(items.size());
  const auto key_of = [&](std::uint32_t i) { return std::string_view(items[first_items[i]].key); };
  for (const std::uint32_t i : order) {
    auto group = static_cast<std::uint32_t>(groups.size());
    if (by_key.insert(items[i].key, group, key_of, &group)) {
      groups.emplace_back();
      first_items.push_back(i);
    }
    groups[group].bytes += outputs[items[i].output].tensor->bytes;
    groups[group].outputs.push_back(items[i].output);
  }
  return groups;
}

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

}  // namespace

std::string shard_key(const std::string& module, const Module& place) {
  if (place.expert >= 0) {
    const std::size_t tail = module.rfind('.');
    return fmt::format("{} #{}", module.substr(0, tail), place.expert);
  }
  return place.fused.empty() ? module : place.fused;
}

std::vector<Shard> make_shards(std::vector<ShardItem> items, std::vector<OutputTensor>& outputs,
                               std::uint64_t max_bytes) {
  const auto order = natural_order(items.size(), [&](std::size_t i) {
    return std::string_view(outputs[items[i].output].tensor->name);
  });
  std::vector<Shard> shards;
  for (Group& group : group_by_key(items, order, outputs)) {
    if (shards.empty() ||
        (shards.back().bytes > 0 && shards.back().bytes + group.bytes > max_bytes)) {
      shards.emplace_back();
    }
    Shard& shard = shards.back();
    shard.bytes += group.bytes;
    for (const std::uint32_t output : group.outputs) {
      outputs[output].shard = static_cast<std::uint32_t>(shards.size() - 1);
      shard.outputs.push_back(output);
    }
  }
  for (std::size_t i = 0; i < shards.size(); ++i) shards[i].file = shard_name(i, shards.size());
  return shards;
}

std::string shard_index(const Plan& plan) {
  std::uint64_t total = 0;
  std::size_t size = 0;
  for (const OutputTensor& output : plan.outputs) {
    total += output.tensor->bytes;
    size += output.tensor->name.size() + kIndexLine;
  }
  // As Json::dump(2) would write it: a tree of 200,000 names would need five times its text.
  std::string text = fmt::format(
      "{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total);
  text.reserve(text.size() + size);
  std::string_view separator = "\n";
  for (const Shard& shard : plan.shards) {
    const std::string file = Json(shard.file).dump();
    for (const std::uint32_t output : shard.outputs) {
      text += separator;
      text += "    ";
      text += Json(plan.outputs[output].tensor->name).dump();
      text += ": ";
      text += file;
      separator = ",\n";
    }
  }
  return text + "\n  }\n}\n";
}

}  // namespace requant
