#include "plan/verify_checksums.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "dialect/gguf_names.h"
#include "plan/receipt.h"

namespace requant {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMaxSideBytes = std::uint64_t{1} << 30;

Error unreadable(std::string_view what) {
  return corrupt(fmt::format("{}: {}: this is no receipt, or it is damaged", kReceiptName, what));
}

Result<std::string> text_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  const auto text = value == nullptr ? std::nullopt : value->as_string();
  if (!text) return unreadable(fmt::format("'{}' is missing", printable(key)));
  return std::string(*text);
}

// A name in the folder, or in a folder of it; nothing else is ever opened.
Result<std::string> name_at(const Json& object, std::string_view key) {
  RQ_TRY(std::string name, text_at(object, key));
  const fs::path path(name);
  const bool leaves = path.is_absolute() || std::ranges::find(path, "..") != path.end();
  if (name.empty() || leaves || name.find('\0') != std::string::npos) {
    return unreadable(in_quotes(name) + " is no file of the folder");
  }
  return name;
}

Result<const std::vector<Json>*> list_at(const Json& receipt, std::string_view key) {
  const Json* list = receipt.find(key);
  if (list == nullptr || !list->is_array()) {
    return unreadable(fmt::format("'{}' is missing", printable(key)));
  }
  return &list->items();
}

Result<PlannedTensor> tensor_of(const Json& entry) {
  PlannedTensor tensor;
  RQ_TRY(tensor.name, text_at(entry, "name"));
  RQ_TRY(const std::string dtype, text_at(entry, "dtype"));
  const auto known = dtype_named(dtype);
  if (!known) return unreadable("dtype " + in_quotes(dtype));
  tensor.dtype = *known;
  RQ_TRY(const auto* sizes, list_at(entry, "shape"));
  for (const Json& size : *sizes) {
    const auto number = size.as_int();
    if (!number || *number < 0) return unreadable(printable(tensor.name) + ": its shape");
    tensor.shape.push_back(*number);
  }
  return tensor;
}

struct ShardTensors {
  std::vector<PlannedTensor> tensors;
  std::vector<std::string> sha256;
};

std::uint64_t number_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value == nullptr ? 0 : value->as_uint().value_or(0);
}

// A GGUF file: where its tensors lie is in its own header, whose hash the receipt states. Nothing,
// with the damage, where the header is another.
Result<std::optional<ShardSums>> gguf_sums(const fs::path& folder, const Json& entry,
                                           const ShardTensors& shard, Checksums& report) {
  const auto none = std::optional<ShardSums>();
  RQ_TRY(const std::string name, name_at(entry, "name"));
  RQ_TRY(const std::string expected, text_at(entry, "header_sha256"));
  const auto damaged = [&](std::string what) {
    report.damage.push_back({name, "", std::move(what)});
    return none;
  };
  auto file = File::open(folder / name, name);
  if (!file && file.error().code() == ErrorCode::kResource) return std::move(file).error();
  if (!file) return damaged(file.error().message().substr(name.size() + 2));
  const std::uint64_t size = number_at(entry, "header_bytes");
  if (file->size() < size) return damaged(fmt::format("has {} bytes", file->size()));
  RQ_TRY(const Bytes header, file->read_at(0, size));
  if (sha256_hex(header.span()) != expected) return damaged("the header differs");
  auto source = open_source(folder / name);
  if (!source) return damaged(source.error().message());
  RQ_TRY(const GgufModel model, named_as_family(*std::move(source)));
  FileLayout layout{
      .header = std::string(header.text()), .bytes = number_at(entry, "bytes"), .tensors = {}};
  for (const PlannedTensor& tensor : shard.tensors) {
    const TensorInfo* info = model.source.find(tensor.name);
    if (info == nullptr) return unreadable(printable(tensor.name) + " is not in " + name);
    layout.tensors.push_back(*info);
  }
  return std::optional(shard_sums(name, std::move(layout), shard.sha256));
}

// The weight files as the receipt's tensors make them, whose headers must be as it says.
Result<std::vector<ShardSums>> shards_in(const fs::path& folder, const Json& receipt,
                                         Checksums& report) {
  std::map<std::string, ShardTensors> by_file;
  RQ_TRY(const auto* tensors, list_at(receipt, "tensors"));
  for (const Json& entry : *tensors) {
    RQ_TRY(std::string file, name_at(entry, "file"));
    RQ_TRY(PlannedTensor tensor, tensor_of(entry));
    RQ_TRY(std::string sha256, text_at(entry, "sha256"));
    ShardTensors& shard = by_file[std::move(file)];
    shard.tensors.push_back(std::move(tensor));
    shard.sha256.push_back(std::move(sha256));
  }
  RQ_TRY(const auto* shards, list_at(receipt, "shards"));
  std::vector<ShardSums> sums;
  std::set<std::string> files;
  for (const Json& entry : *shards) {
    RQ_TRY(const std::string file, name_at(entry, "name"));
    RQ_TRY(const std::string header, text_at(entry, "header_sha256"));
    if (entry.find("container") != nullptr) {
      RQ_TRY(auto one, gguf_sums(folder, entry, by_file[file], report));
      if (one) sums.push_back(*std::move(one));
      if (!one) report.files += 1;
      files.insert(file);
      continue;
    }
    files.insert(file);
    std::map<std::string, std::string> metadata;
    if (const Json* found = entry.find("metadata")) {
      for (const auto& [key, value] : found->members()) {
        metadata.emplace(key, value.as_string().value_or(""));
      }
    }
    const ShardTensors& shard = by_file[file];
    RQ_TRY_IN(ShardSums one, shard_sums(file, shard.tensors, shard.sha256, metadata), kReceiptName);
    if (sha256_hex(bytes_of(one.header)) != header) {
      return unreadable(file + ": its header is not that of its tensors");
    }
    sums.push_back(std::move(one));
  }
  if (files.size() != by_file.size()) return unreadable("a tensor's file is not among 'shards'");
  return sums;
}

// The receipt's last line vouches for what is above it.
Result<void> check_own_sum(std::string_view text, Checksums& report) {
  if (has_own_sum(text)) return {};
  if (text.find("\"shards\": [") == std::string_view::npos &&
      text.find(kReceiptSumKey) == std::string_view::npos) {
    return refused(fmt::format("{}: has no checksums of whole files: an older requant wrote it",
                               kReceiptName));
  }
  report.damage.push_back(
      {std::string(kReceiptName), "", "the receipt itself is not what was written"});
  return {};
}

Result<void> check_file(const fs::path& folder, const Json& entry, Checksums& report) {
  RQ_TRY(const std::string name, name_at(entry, "name"));
  RQ_TRY(const std::string expected, text_at(entry, "sha256"));
  ++report.files;
  const auto bytes = read_small_file(folder / name, kMaxSideBytes, name);
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::kResource) return bytes.error();
    report.damage.push_back({name, "", bytes.error().message().substr(name.size() + 2)});
    return {};
  }
  report.bytes += bytes->size();
  const std::string found = sha256_hex(bytes->span());
  if (found == expected) return {};
  report.damage.push_back(
      {name, "", fmt::format("its SHA-256 is {}, expected {}", found, expected)});
  return {};
}

Result<void> list_unlisted(const fs::path& folder, std::set<std::string> listed,
                           Checksums& report) {
  listed.emplace(kReceiptName);
  RQ_TRY(const std::vector<std::string> names, file_names_in(folder));
  for (const std::string& name : names) {
    if (!listed.contains(name) && !name.starts_with('.')) report.unlisted.push_back(name);
  }
  return {};
}

}  // namespace

Result<Checksums> compare_checksums(const fs::path& folder, const ReadCall& progress) {
  Checksums report;
  RQ_TRY(const Bytes bytes,
         read_small_file(folder / kReceiptName, kMaxReceiptBytes, std::string(kReceiptName)));
  RQ_CHECK(check_own_sum(bytes.text(), report));
  RQ_TRY_IN(const Json receipt, parse_json(bytes.text(), {.bytes = kMaxReceiptBytes}),
            kReceiptName);
  RQ_TRY(const std::vector<ShardSums> shards, shards_in(folder, receipt, report));
  RQ_TRY(const auto* files, list_at(receipt, "files"));
  std::set<std::string> listed;
  for (const Json& entry : *files) {
    RQ_CHECK(check_file(folder, entry, report));
    listed.insert(*text_at(entry, "name"));
  }
  for (const ShardSums& shard : shards) {
    listed.insert(shard.file);
    report.tensors += shard.tensors.size();
    report.bytes += shard.bytes;
    ++report.files;
  }
  RQ_TRY(std::vector<Damage> damage, find_damage(folder, shards, progress));
  std::ranges::move(damage, std::back_inserter(report.damage));
  RQ_CHECK(list_unlisted(folder, std::move(listed), report));
  return report;
}

}  // namespace requant
