#include "fix/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "container/container.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLimit = std::uint64_t{64} << 20;

Result<std::vector<std::string>> shards_in(const fs::path& folder) {
  RQ_TRY(std::vector<std::string> names, file_names_in(folder));
  std::erase_if(names, [](const std::string& name) {
    return !name.ends_with(".safetensors") || name.starts_with(".") ||
           name.starts_with("consolidated");
  });
  return names;
}

// "model-00002-of-00003.safetensors" of three: whether all of a set are there.
bool is_whole(const std::vector<std::string>& shards) {
  for (const std::string& name : shards) {
    const std::size_t of = name.rfind("-of-");
    if (of == std::string::npos) continue;
    if (std::stoul("0" + name.substr(of + 4, 5)) != shards.size()) return false;
  }
  return true;
}

struct Found {
  std::map<std::string, std::string> shard_of;  // by tensor
  std::uint64_t bytes = 0;
};

Result<Found> read_headers(const fs::path& folder, const std::vector<std::string>& shards) {
  Found found;
  for (const std::string& shard : shards) {
    RQ_TRY(const Source source, open_source(folder / shard));
    found.bytes += source.total_bytes();
    for (const TensorInfo& tensor : source.tensors()) {
      const auto [at, is_new] = found.shard_of.emplace(tensor.name, shard);
      if (!is_new) {
        return refused(fmt::format("{} is in {} and again in {}: which of them counts is not known",
                                   tensor.name, at->second, shard));
      }
    }
  }
  return found;
}

Json index_of(const Found& found) {
  Json map = Json::object();
  for (const auto& [name, shard] : found.shard_of) map.members().emplace_back(name, shard);
  return Json::object(
      {{"metadata", Json::object({{"total_size", found.bytes}})}, {"weight_map", std::move(map)}});
}

bool says_the_same(const Json& index, const Found& found) {
  const Json* map = index.find("weight_map");
  if (map == nullptr || map->members().size() != found.shard_of.size()) return false;
  const Json* size = index.at({"metadata", "total_size"});
  if (size != nullptr && size->as_uint() != found.bytes) return false;
  return std::ranges::all_of(map->members(), [&](const Json::Member& member) {
    const auto at = found.shard_of.find(member.first);
    return at != found.shard_of.end() && member.second.as_string() == at->second;
  });
}

}  // namespace

Result<std::optional<std::string>> rebuilt_index(const fs::path& folder) {
  RQ_TRY(const auto shards, shards_in(folder));
  std::error_code ignored;
  const bool has_index = fs::exists(folder / kIndexName, ignored);
  if (shards.empty() || !is_whole(shards) || (!has_index && shards.size() == 1)) {
    return std::optional<std::string>();
  }
  RQ_TRY(const Found found, read_headers(folder, shards));
  if (has_index) {
    RQ_TRY(const Bytes text, read_small_file(folder / kIndexName, kLimit));
    const auto index = parse_json(text.text(), {.bytes = kLimit});
    if (index && says_the_same(*index, found)) return std::optional<std::string>();
  }
  return std::optional(index_of(found).dump(2) + "\n");
}

}  // namespace requant
