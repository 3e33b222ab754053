#include "container/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxFileName = 255;  // of the usual file systems

bool is_plain_file_name(std::string_view name) {
  const auto forbidden = [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  };
  return !name.empty() && name.size() <= kMaxFileName && name != "." && name != ".." &&
         std::none_of(name.begin(), name.end(), forbidden);
}

Result<std::string_view> shard_name(const Json& value, const Container& container) {
  const auto name = value.as_string();
  if (!name) return corrupt("the shard is not named by a string");
  if (!is_plain_file_name(*name)) {
    return corrupt(fmt::format("shard {} is not a plain file name", in_quotes(*name)));
  }
  for (const std::string_view extension : container.extensions) {
    if (name->ends_with(extension) && name->size() > extension.size()) return *name;
  }
  return corrupt(
      fmt::format("shard {}, expected a {} file", in_quotes(*name), container.extensions.front()));
}

Result<ShardIndex> interpret(const Json& root, const Container& container) {
  if (!root.is_object()) return corrupt("not a JSON object");
  const Json* map = root.find("weight_map");
  if (map == nullptr || !map->is_object()) return corrupt("no object weight_map");
  if (map->members().empty()) return corrupt("weight_map is empty");
  std::set<std::string_view> names;
  for (const auto& [tensor, value] : map->members()) {
    RQ_TRY_IN(const std::string_view name, shard_name(value, container), printable(tensor));
    names.insert(name);
  }
  ShardIndex index;
  index.shards.assign(names.begin(), names.end());
  index.entries.reserve(map->members().size());
  for (const auto& [tensor, value] : map->members()) {
    const auto at = std::lower_bound(index.shards.begin(), index.shards.end(), *value.as_string());
    index.entries.push_back({tensor, static_cast<std::uint32_t>(at - index.shards.begin())});
  }
  if (const Json* size = root.at({"metadata", "total_size"})) index.total_size = size->dump();
  return index;
}

}  // namespace

Result<ShardIndex> read_index(const std::filesystem::path& path, const Container& container) {
  const std::string label = printable(path.filename().string());
  RQ_TRY(const Bytes text, read_small_file(path, kMaxIndexBytes, label));
  RQ_TRY_IN(const Json root, parse_json(text.text(), {.bytes = kMaxIndexBytes}), label);
  RQ_TRY_IN(ShardIndex index, interpret(root, container), label);
  index.label = label;
  return index;
}

Result<void> check_index(const ShardIndex& index, const Source& source) {
  for (const ShardIndex::Entry& entry : index.entries) {
    const TensorInfo* tensor = source.find(entry.tensor);
    const auto refuse = [&](std::string_view what) {
      return corrupt(fmt::format("{}: {} {}, the index says {}", index.label,
                                 printable(entry.tensor), what,
                                 printable(index.shards[entry.shard])));
    };
    if (tensor == nullptr) return refuse("is in no shard");
    if (tensor->file != entry.shard) return refuse("is in " + source.files()[tensor->file].label());
  }
  return {};
}

std::vector<std::string> index_notes(const ShardIndex& index, const Source::Parts& parts) {
  std::vector<std::string> notes;
  Checked total(0);
  for (const TensorInfo& tensor : parts.tensors) total = total + tensor.bytes;
  const auto bytes = total.value();
  if (index.total_size && bytes && *index.total_size != std::to_string(*bytes)) {
    notes.push_back(fmt::format("{}: total_size is {}, the tensors have {}", index.label,
                                printable(*index.total_size, 40), *bytes));
  }
  if (parts.tensors.size() > index.entries.size()) {
    notes.push_back(fmt::format("{}: {} tensors of its shards are not listed", index.label,
                                parts.tensors.size() - index.entries.size()));
  }
  return notes;
}

}  // namespace requant
