#include "container/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/json.h"
#include "base/name_index.h"
#include "base/text.h"
#include "base/threads.h"
#include "container/plain_index.h"

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

// Why a value of weight_map is no name of a shard; empty where it is one.
std::string refusal_of(std::string_view name, const Container& container) {
  if (!is_plain_file_name(name)) {
    return fmt::format("shard {} is not a plain file name", in_quotes(name));
  }
  for (const std::string_view extension : container.extensions) {
    if (name.ends_with(extension) && name.size() > extension.size()) return {};
  }
  return fmt::format("shard {}, expected a {} file", in_quotes(name), container.extensions.front());
}

// Turns the index's JSON into entries, without a tree of 200,000 values between.
class IndexReader final : public JsonEvents {
 public:
  explicit IndexReader(const Container& container) : container_(container) {}

  bool null() override { return scalar("null"); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number(std::string_view text) override { return scalar(text); }
  bool string(std::string_view text) override {
    if (!in_map_) return scalar(Json(text).dump());
    const auto name_of = [&](std::uint32_t i) { return std::string_view(index_.shards[i]); };
    std::uint32_t& shard = index_.entries.back().shard;
    shard = by_name_.find(text, name_of);
    if (shard != NameIndex::kNone) return true;
    const std::string refusal = refusal_of(text, container_);
    if (!refusal.empty()) return refuse_entry(refusal);
    shard = static_cast<std::uint32_t>(index_.shards.size());
    index_.shards.emplace_back(text);
    return by_name_.insert(text, shard, name_of);
  }
  bool key(std::string_view text) override {
    if (in_map_) {
      index_.entries.push_back({.begin = static_cast<std::uint32_t>(index_.names.size()),
                                .size = static_cast<std::uint32_t>(text.size())});
      index_.names += text;
    } else if (depth_ == 1) {
      member_ = text;
    }
    is_total_size_ = depth_ == 2 && member_ == "metadata" && text == "total_size";
    return true;
  }
  bool begin_object() override {
    if (in_map_) return refuse_entry("the shard is not named by a string");
    in_map_ = depth_ == 1 && member_ == "weight_map";
    has_map_ = has_map_ || in_map_;
    ++depth_;
    return true;
  }
  bool begin_array() override {
    if (depth_ == 0) return refuse("not a JSON object");
    if (in_map_) return refuse_entry("the shard is not named by a string");
    ++depth_;
    return true;
  }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  std::string reason() const override { return reason_; }

  Result<ShardIndex> take() && {
    if (!has_map_) return corrupt("no object weight_map");
    if (index_.entries.empty()) return corrupt("weight_map is empty");
    return std::move(index_);
  }

 private:
  bool end() {
    --depth_;
    in_map_ = false;
    return true;
  }
  bool scalar(std::string_view text) {
    if (depth_ == 0) return refuse("not a JSON object");
    if (in_map_) return refuse_entry("the shard is not named by a string");
    if (is_total_size_ && depth_ == 2) index_.total_size = text;
    is_total_size_ = false;
    return true;
  }
  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  bool refuse_entry(std::string_view reason) {
    return refuse(fmt::format("{}: {}", printable(index_.tensor(index_.entries.back())), reason));
  }

  const Container& container_;
  ShardIndex index_;
  NameIndex by_name_;  // of the shards
  int depth_ = 0;
  bool has_map_ = false;
  bool in_map_ = false;
  bool is_total_size_ = false;
  std::string member_;  // of the root
  std::string reason_;
};

void sort_shards(ShardIndex& index) {
  std::vector<std::string> sorted = index.shards;
  std::ranges::sort(sorted);
  std::vector<std::uint32_t> places;
  for (const std::string& shard : index.shards) {
    const auto at = std::ranges::lower_bound(sorted, shard);
    places.push_back(static_cast<std::uint32_t>(at - sorted.begin()));
  }
  for (ShardIndex::Entry& entry : index.entries) entry.shard = places[entry.shard];
  index.shards = std::move(sorted);
}

Result<ShardIndex> read_entries(std::string_view json, const Container& container) {
  auto plain = read_plain_index(json);
  if (plain && std::ranges::all_of(plain->shards, [&](const std::string& shard) {
        return refusal_of(shard, container).empty();
      })) {
    return *std::move(plain);
  }
  IndexReader reader(container);
  RQ_CHECK(parse_json(json, reader, {.bytes = kMaxIndexBytes}));
  return std::move(reader).take();
}

// What the shards deny of an entry; nothing where they agree.
std::optional<Error> denial_of(const ShardIndex& index, const ShardIndex::Entry& entry,
                               const Source& source, const TensorInfo* tensor) {
  if (tensor != nullptr && tensor->file == entry.shard) return std::nullopt;
  const std::string what =
      tensor == nullptr ? "is in no shard" : "is in " + source.files()[tensor->file].label();
  return corrupt(fmt::format("{}: {} {}, the index says {}", index.label,
                             printable(index.tensor(entry)), what,
                             printable(index.shards[entry.shard])));
}

}  // namespace

Result<ShardIndex> read_index(const File& file, const Container& container) {
  const std::string& label = file.label();
  RQ_TRY(const Bytes text, read_small_file(file, kMaxIndexBytes));
  RQ_TRY_IN(ShardIndex index, read_entries(text.text(), container), label);
  sort_shards(index);
  index.label = label;
  return index;
}

Result<void> check_unique(const ShardIndex& index) {
  NameIndex names(index.entries.size());
  const auto name_of = [&](std::uint32_t i) { return index.tensor(index.entries[i]); };
  for (std::uint32_t i = 0; i < index.entries.size(); ++i) {
    if (names.insert(name_of(i), i, name_of)) continue;
    return corrupt(
        fmt::format("{}: key {} appears twice in one object", index.label, in_quotes(name_of(i))));
  }
  return {};
}

Result<void> check_index(const ShardIndex& index, const Source& source) {
  constexpr std::size_t kGrain = 4096;
  std::vector<const TensorInfo*> found(index.entries.size());
  parallel_for(found.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      found[i] = source.find(index.tensor(index.entries[i]));
  });
  std::vector<bool> seen(source.tensors().size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (auto denial = denial_of(index, index.entries[i], source, found[i])) return *denial;
    const auto place = static_cast<std::size_t>(found[i] - source.tensors().data());
    if (seen[place]) return check_unique(index);
    seen[place] = true;
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
