#include "plan/shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace requant {
namespace {

struct Group {
  std::uint64_t bytes = 0;
  std::vector<std::uint32_t> outputs;
};

// In the order in which the first tensor of each key comes.
std::vector<Group> group_by_key(const std::vector<ShardItem>& items,
                                const std::vector<OutputTensor>& outputs) {
  std::vector<Group> groups;
  std::map<std::string_view, std::size_t> by_key;
  for (const ShardItem& item : items) {
    const auto [found, fresh] = by_key.emplace(item.key, groups.size());
    if (fresh) groups.emplace_back();
    groups[found->second].bytes += outputs[item.output].bytes;
    groups[found->second].outputs.push_back(item.output);
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
  std::ranges::sort(items, [&](const ShardItem& a, const ShardItem& b) {
    return natural_less(outputs[a.output].tensor.name, outputs[b.output].tensor.name);
  });
  std::vector<Shard> shards;
  for (Group& group : group_by_key(items, outputs)) {
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
  if (plan.shards.size() < 2) return {};
  std::map<std::string, std::string> file_of;
  std::uint64_t total = 0;
  for (const OutputTensor& output : plan.outputs) {
    file_of.emplace(output.tensor.name, plan.shards[output.shard].file);
    total += output.bytes;
  }
  std::vector<Json::Member> map;
  for (auto& [name, file] : file_of) map.emplace_back(name, file);
  Json metadata = Json::object();
  metadata.set("total_size", Json(total));
  Json index = Json::object();
  index.set("metadata", std::move(metadata));
  index.set("weight_map", Json::object(std::move(map)));
  return index.dump(2) + "\n";
}

}  // namespace requant
