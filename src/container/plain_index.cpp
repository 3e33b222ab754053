#include "container/plain_index.h"

#include <utility>

#include "base/name_index.h"
#include "base/plain_json.h"

namespace requant {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view json) : json_(json) {}

  bool read() {
    return json_.take('{') && json_.list('}', [&] { return member(); }) && json_.ends() &&
           has_map_ && !index_.entries.empty();
  }
  ShardIndex take() { return std::move(index_); }

 private:
  bool member() {
    std::string_view key;
    if (!json_.key(key) || !json_.take('{')) return false;
    if (key == "metadata") return !std::exchange(has_metadata_, true) && metadata();
    return key == "weight_map" && !std::exchange(has_map_, true) &&
           json_.list('}', [&] { return entry(); });
  }

  // Nothing there but the size that transformers notes.
  bool metadata() {
    return json_.list('}', [&] {
      std::string_view key;
      std::string_view spelling;
      std::uint64_t size = 0;
      if (!json_.key(key) || key != "total_size" || index_.total_size) return false;
      if (!json_.number(size, spelling)) return false;
      index_.total_size = spelling;
      return true;
    });
  }

  bool entry() {
    std::string_view name;
    std::string_view shard;
    if (!json_.key(name) || !json_.string(shard)) return false;
    index_.entries.push_back({.begin = static_cast<std::uint32_t>(index_.names.size()),
                              .size = static_cast<std::uint32_t>(name.size()),
                              .shard = number_of(shard)});
    index_.names += name;
    return true;
  }

  // Most entries name the shard that the last one named.
  std::uint32_t number_of(std::string_view shard) {
    const auto name_of = [&](std::uint32_t i) { return std::string_view(index_.shards[i]); };
    if (last_ < index_.shards.size() && index_.shards[last_] == shard) return last_;
    last_ = by_name_.find(shard, name_of);
    if (last_ != NameIndex::kNone) return last_;
    last_ = static_cast<std::uint32_t>(index_.shards.size());
    index_.shards.emplace_back(shard);
    by_name_.insert(shard, last_, name_of);
    return last_;
  }

  PlainJson json_;
  ShardIndex index_;
  NameIndex by_name_;  // of the shards
  std::uint32_t last_ = 0;
  bool has_metadata_ = false;
  bool has_map_ = false;
};

}  // namespace

std::optional<ShardIndex> read_plain_index(std::string_view json) {
  Reader reader(json);
  if (!reader.read()) return std::nullopt;
  return reader.take();
}

}  // namespace requant
