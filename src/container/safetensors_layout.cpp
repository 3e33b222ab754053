#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <tuple>
#include <unordered_set>

#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "container/writer.h"

namespace requant {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // more, and no reader opens the file
constexpr std::size_t kAlignment = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

Result<std::uint64_t> size_of(const PlannedTensor& tensor) {
  const auto count = element_count(tensor.shape);
  const auto bytes = count ? byte_size(tensor.dtype, *count) : std::nullopt;
  if (!bytes) {
    return usage(fmt::format("{} {} has no size in whole bytes", name_of(tensor.dtype),
                             to_string(tensor.shape)));
  }
  return *bytes;
}

Result<void> check_name(std::string_view name) {
  const bool control = std::any_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (control || name == kMetadataKey || !valid_utf8(name)) {
    return usage("no name for a tensor");
  }
  return {};
}

// Tensors in the order of their data: dtypes wide to narrow, then names.
std::vector<std::size_t> data_order(std::span<const PlannedTensor> tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(tensors[a].dtype, tensors[a].name) <
           std::tie(tensors[b].dtype, tensors[b].name);
  });
  return order;
}

std::string metadata_json(const std::map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    fmt::format_to(std::back_inserter(text), "{}{}:{}", text.empty() ? "" : ",", Json(key).dump(),
                   Json(value).dump());
  }
  return text;
}

Result<std::string> with_length_and_padding(std::string json) {
  json.append((kAlignment - json.size() % kAlignment) % kAlignment, ' ');
  if (json.size() > kMaxHeaderBytes) {
    return refused(fmt::format("a safetensors header of {} bytes, readers take at most {}",
                               json.size(), kMaxHeaderBytes));
  }
  std::string header;
  for (int shift = 0; shift < 64; shift += 8) {
    header.push_back(static_cast<char>(std::uint64_t{json.size()} >> shift & 0xFF));
  }
  return header + json;
}

}  // namespace

Result<SafetensorsLayout> safetensors_layout(std::span<const PlannedTensor> tensors,
                                             const std::map<std::string, std::string>& metadata) {
  SafetensorsLayout layout;
  layout.offsets.resize(tensors.size());
  std::string json = "{";
  if (!metadata.empty()) {
    fmt::format_to(std::back_inserter(json), "\"{}\":{{{}}}", kMetadataKey,
                   metadata_json(metadata));
  }
  std::unordered_set<std::string_view> names;
  for (const std::size_t i : data_order(tensors)) {
    const PlannedTensor& tensor = tensors[i];
    if (!names.insert(tensor.name).second) {
      return usage(printable(tensor.name) + ": planned twice");
    }
    RQ_CHECK_IN(check_name(tensor.name), printable(tensor.name));
    RQ_TRY_IN(const std::uint64_t bytes, size_of(tensor), printable(tensor.name));
    const auto end = (Checked(layout.data_bytes) + bytes).value();
    if (!end) return usage("the tensors' sizes overflow");
    fmt::format_to(std::back_inserter(json),
                   R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                   json.size() > 1 ? "," : "", Json(tensor.name).dump(), name_of(tensor.dtype),
                   fmt::join(tensor.shape, ","), layout.data_bytes, *end);
    layout.offsets[i] = layout.data_bytes;
    layout.data_bytes = *end;
  }
  json += '}';
  RQ_TRY(layout.header, with_length_and_padding(std::move(json)));
  return layout;
}

Result<FileLayout> safetensors_file(std::span<const PlannedTensor> tensors,
                                    const std::map<std::string, std::string>& metadata) {
  RQ_TRY(SafetensorsLayout layout, safetensors_layout(tensors, metadata));
  const auto bytes = (Checked(layout.header.size()) + layout.data_bytes).value();
  if (!bytes) return usage("the tensors' sizes overflow");
  FileLayout file;
  file.bytes = *bytes;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    TensorInfo& info = file.tensors.emplace_back();
    info.name = tensors[i].name;
    info.dtype = tensors[i].dtype;
    info.shape = tensors[i].shape;
    info.offset = layout.header.size() + layout.offsets[i];
    info.bytes = byte_size(info.dtype, element_count(info.shape).value_or(0)).value_or(0);
  }
  file.header = std::move(layout.header);
  return file;
}

}  // namespace requant
