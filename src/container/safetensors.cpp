// safetensors:
//   u64     H, the header's length, little-endian
//   H bytes JSON {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
//                 "__metadata__": {"KEY": "TEXT"}}, padded with white space
//   the rest: data; the offsets count from its begin and cover it without holes or overlaps
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <numeric>
#include <utility>

#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "container/container.h"
#include "container/foreign.h"
#include "container/plain_header.h"
#include "container/tensor_order.h"

namespace requant {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as in safetensors/src/tensor.rs
constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxDimensions = 64;  // as many as PyTorch has
constexpr std::size_t kUsualDimensions = 2;
constexpr std::uint64_t kHeadBytes = 4096;
constexpr std::string_view kMetadataKey = "__metadata__";

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

// Turns the header's JSON into tensors whose offsets still count from the begin of the data.
class HeaderReader final : public JsonEvents {
 public:
  explicit HeaderReader(std::map<std::string, std::string>& metadata) : metadata_(metadata) {}

  std::vector<TensorInfo> take() { return std::move(tensors_); }

  bool null() override {
    if (at_ == At::kRoot && tensor_.name == kMetadataKey) return true;  // reads as absent
    return other("null");
  }
  bool boolean(bool) override { return other("a boolean"); }
  bool number(std::string_view text) override {
    return at_ == At::kShape || at_ == At::kOffsets ? add_number(text) : other("a number");
  }
  bool string(std::string_view text) override {
    if (at_ == At::kMetadata) {
      metadata_.emplace(metadata_key_, text);
      return true;
    }
    return at_ == At::kEntry && field_ == Field::kDType ? set_dtype(text) : other("a string");
  }
  bool key(std::string_view text) override {
    if (at_ == At::kRoot) return begin_entry(text);
    if (at_ == At::kMetadata) metadata_key_ = text;
    if (at_ == At::kEntry) {
      field_ = text == "dtype"          ? Field::kDType
               : text == "shape"        ? Field::kShape
               : text == "data_offsets" ? Field::kOffsets
                                        : Field::kUnknown;
    }
    return true;
  }
  bool begin_object() override {
    if (at_ == At::kStart) return go(At::kRoot);
    if (at_ == At::kRoot) return go(tensor_.name == kMetadataKey ? At::kMetadata : At::kEntry);
    return begin_unknown() || other("an object");
  }
  bool begin_array() override {
    if (at_ == At::kEntry && field_ == Field::kShape) return has_shape_ = go(At::kShape);
    if (at_ == At::kEntry && field_ == Field::kOffsets) return go(At::kOffsets);
    return begin_unknown() || other("an array");
  }
  bool end_object() override {
    if (at_ == At::kUnknown) return end_unknown();
    if (at_ == At::kEntry && !end_entry()) return false;
    return go(At::kRoot);
  }
  bool end_array() override {
    if (at_ == At::kUnknown) return end_unknown();
    return go(At::kEntry);
  }
  std::string reason() const override { return reason_; }

 private:
  enum class At : std::uint8_t { kStart, kRoot, kMetadata, kEntry, kShape, kOffsets, kUnknown };
  enum class Field : std::uint8_t { kDType, kShape, kOffsets, kUnknown };

  bool go(At at) {
    at_ = at;
    return true;
  }
  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  bool refuse_tensor(std::string_view reason) {
    return refuse(fmt::format("{}: {}", printable(tensor_.name), reason));
  }

  // A value that is not of the kind its place asks for.
  bool other(std::string_view what) {
    switch (at_) {
      case At::kStart:
        return refuse(fmt::format("the header is {}, expected an object", what));
      case At::kRoot:
        return refuse_tensor(fmt::format("{}, expected an object", what));
      case At::kMetadata:
        return refuse(fmt::format("__metadata__: {} is {}, expected a string",
                                  in_quotes(metadata_key_), what));
      case At::kShape:
      case At::kOffsets:
        return refuse_tensor(fmt::format("{} in {}, expected whole numbers", what,
                                         at_ == At::kShape ? "shape" : "data_offsets"));
      case At::kUnknown:
        return true;
      case At::kEntry:
        break;
    }
    switch (field_) {
      case Field::kDType:
        return refuse_tensor(fmt::format("dtype is {}, expected a string", what));
      case Field::kShape:
        return refuse_tensor(fmt::format("shape is {}, expected an array", what));
      case Field::kOffsets:
        return refuse_tensor(fmt::format("data_offsets is {}, expected an array", what));
      case Field::kUnknown:
        break;
    }
    return true;
  }

  bool begin_unknown() {
    if (at_ == At::kEntry && field_ == Field::kUnknown) at_ = At::kUnknown;
    if (at_ != At::kUnknown) return false;
    ++unknown_depth_;
    return true;
  }
  bool end_unknown() {
    if (--unknown_depth_ == 0) at_ = At::kEntry;
    return true;
  }

  bool begin_entry(std::string_view name) {
    if (name.size() > kMaxNameBytes) {
      return refuse(fmt::format("{}: a name of {} bytes, expected at most {}", printable(name, 64),
                                name.size(), kMaxNameBytes));
    }
    if (has_control_character(name)) {
      return refuse(fmt::format("{}: a control character in a name", in_quotes(name)));
    }
    tensor_ = TensorInfo{};
    tensor_.name = name;
    has_dtype_ = has_shape_ = false;
    offset_count_ = 0;
    return true;
  }

  bool set_dtype(std::string_view text) {
    const auto dtype = dtype_named(text);
    if (!dtype) return refuse_tensor("unknown dtype " + in_quotes(text));
    tensor_.dtype = *dtype;
    has_dtype_ = true;
    return true;
  }

  bool add_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool shape = at_ == At::kShape;
    if (error != std::errc() || end != text.data() + text.size() || (shape && value >> 63 != 0)) {
      return refuse_tensor(fmt::format("{} in {}, expected whole numbers below 2^{}",
                                       printable(text, 40), shape ? "shape" : "data_offsets",
                                       shape ? 63 : 64));
    }
    if (shape) {
      if (tensor_.shape.size() == kMaxDimensions) {
        return refuse_tensor(fmt::format("more than {} dimensions", kMaxDimensions));
      }
      if (tensor_.shape.empty()) tensor_.shape.reserve(kUsualDimensions);
      tensor_.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (offset_count_ == offsets_.size()) return refuse_tensor("more than two data_offsets");
    offsets_[offset_count_++] = value;
    return true;
  }

  bool end_entry() {
    if (!has_dtype_) return refuse_tensor("no dtype");
    if (!has_shape_) return refuse_tensor("no shape");
    if (offset_count_ == 0) return refuse_tensor("no data_offsets");
    const auto [begin, end] = offsets_;
    if (offset_count_ == 1) return refuse_tensor("one number in data_offsets, expected two");
    if (begin > end) {
      return refuse_tensor(fmt::format("data_offsets [{}, {}] run backwards", begin, end));
    }
    tensor_.offset = begin;
    tensor_.bytes = end - begin;
    if (!size_fits()) return false;
    tensors_.push_back(std::move(tensor_));
    return true;
  }

  bool size_fits() {
    const auto what = [&] {
      return fmt::format("{} {}", name_of(tensor_.dtype), to_string(tensor_.shape));
    };
    const auto count = element_count(tensor_.shape);
    const auto bits = static_cast<std::uint64_t>(info(tensor_.dtype).bits);
    if (!count || !(Checked(*count) * bits).value()) {
      return refuse_tensor("the size of " + what() + " overflows");
    }
    const auto expected = byte_size(tensor_.dtype, *count);
    if (!expected) return refuse_tensor(what() + " does not fill whole bytes");
    if (*expected != tensor_.bytes) {
      return refuse_tensor(
          fmt::format("{} bytes for {}, expected {}", tensor_.bytes, what(), *expected));
    }
    return true;
  }

  std::map<std::string, std::string>& metadata_;
  std::vector<TensorInfo> tensors_;
  At at_ = At::kStart;
  Field field_ = Field::kUnknown;
  int unknown_depth_ = 0;
  std::string metadata_key_;
  TensorInfo tensor_;  // the entry being read
  bool has_dtype_ = false;
  bool has_shape_ = false;
  std::array<std::uint64_t, 2> offsets_{};
  std::size_t offset_count_ = 0;
  std::string reason_;
};

// Every byte of the data belongs to exactly one tensor.
Result<void> check_coverage(std::span<const TensorInfo> tensors, std::uint64_t data_bytes) {
  std::vector<std::uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(tensors[a].offset, tensors[a].bytes) <
           std::pair(tensors[b].offset, tensors[b].bytes);
  };
  if (!std::ranges::is_sorted(order, before)) std::ranges::sort(order, before);
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const TensorInfo& tensor = tensors[order[i]];
    if (tensor.offset < covered) {
      return corrupt(fmt::format("{}: its data overlaps that of {}", printable(tensor.name),
                                 printable(tensors[order[i - 1]].name)));
    }
    if (tensor.offset > covered) {
      return corrupt(
          fmt::format("{}: its data begins at {}, expected {}: {} bytes between belong to "
                      "no tensor",
                      printable(tensor.name), tensor.offset, covered, tensor.offset - covered));
    }
    covered = (Checked(tensor.offset) + tensor.bytes).value().value_or(covered);
  }
  if (data_bytes < covered) {
    return corrupt(
        fmt::format("the file is truncated: {} bytes of data, expected {}", data_bytes, covered));
  }
  if (data_bytes > covered) {
    return corrupt(fmt::format("{} bytes after the last tensor", data_bytes - covered));
  }
  return {};
}

// The file has no safetensors header: says what it is where that can be told.
Error not_safetensors(const File& file, std::string otherwise) {
  const auto head = file.read_at(0, std::min(file.size(), kHeadBytes));
  if (!head) return head.error();
  const std::string_view found = foreign_format(head->span());
  if (!found.empty()) otherwise = fmt::format("expected safetensors, found {}", found);
  return corrupt(std::move(otherwise)).within(file.label());
}

Result<Bytes> read_header_text(const File& file) {
  const auto refuse = [&](std::string reason) { return not_safetensors(file, std::move(reason)); };
  if (file.size() < kLengthBytes) {
    return refuse(fmt::format("{} bytes, too short for the header's length", file.size()));
  }
  RQ_TRY(const Bytes prefix, file.read_at(0, kLengthBytes));
  const std::uint64_t length = ByteReader(prefix.span()).u64();
  if (length == 0) return refuse("the header is empty");
  if (length > kMaxHeaderBytes) {
    return refuse(
        fmt::format("a header of {} bytes, expected at most {}", length, kMaxHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    return refuse(fmt::format("the file is truncated: {} bytes, the header alone has {}",
                              file.size(), length));
  }
  RQ_TRY(Bytes header, file.read_at(kLengthBytes, length));
  if (header.text().front() != '{') return refuse("the header does not begin with '{'");
  return header;
}

bool has_name_twice(std::span<const TensorInfo> sorted) {
  return std::ranges::adjacent_find(sorted, {}, &TensorInfo::name) != sorted.end();
}

// The tensors by name, their offsets counted from the begin of the data.
Result<std::vector<TensorInfo>> read_entries(std::string_view json, std::uint64_t data_bytes,
                                             std::map<std::string, std::string>& metadata) {
  if (auto plain = read_plain_header(json); plain && check_coverage(plain->tensors, data_bytes)) {
    sort_by_name(plain->tensors);
    if (!has_name_twice(plain->tensors)) {
      metadata.merge(plain->metadata);
      return std::move(plain->tensors);
    }
  }
  HeaderReader reader(metadata);
  RQ_CHECK(parse_json(json, reader, {.bytes = kMaxHeaderBytes, .depth = kMaxDepth}));
  std::vector<TensorInfo> tensors = reader.take();
  RQ_CHECK(check_coverage(tensors, data_bytes));
  sort_by_name(tensors);
  return tensors;
}

Result<void> read_header(const File& file, std::uint32_t file_index, Source::Parts& parts) {
  RQ_TRY(const Bytes header, read_header_text(file));
  const std::uint64_t data_bytes = file.size() - kLengthBytes - header.size();
  RQ_TRY_IN(std::vector<TensorInfo> tensors,
            read_entries(header.text(), data_bytes, parts.metadata), file.label());
  for (TensorInfo& tensor : tensors) {
    const auto offset = (Checked(tensor.offset) + kLengthBytes + header.size()).value();
    if (!offset) return corrupt("the data's offset overflows").within(file.label());
    tensor.offset = *offset;
    tensor.file = file_index;
  }
  if (parts.tensors.empty()) {
    parts.tensors = std::move(tensors);
  } else {
    std::ranges::move(tensors, std::back_inserter(parts.tensors));
  }
  return {};
}

Match identify(const Probe& probe) {
  ByteReader reader(probe.head);
  const std::uint64_t length = reader.u64();
  const bool begins = length > 0 && length <= kMaxHeaderBytes && reader.u8() == '{' && reader.ok();
  const bool named = probe.path.extension() == ".safetensors";
  return begins && named ? Match::kYes : begins || named ? Match::kMaybe : Match::kNo;
}

constexpr std::string_view kIndexNames[] = {"model.safetensors.index.json"};
constexpr std::string_view kFileNames[] = {"model.safetensors"};
constexpr std::string_view kExtensions[] = {".safetensors"};

}  // namespace

extern const Container k_container_safetensors;
const Container k_container_safetensors = {
    .name = "safetensors",
    .long_name = "safetensors, one file or sharded",
    .source = "https://github.com/safetensors/safetensors, 0.8.0",
    .identify = identify,
    .read_header = read_header,
    .index_names = kIndexNames,
    .file_names = kFileNames,
    .extensions = kExtensions,
};

}  // namespace requant
