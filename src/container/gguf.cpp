// GGUF, version 2 or 3, little-endian:
//   "GGUF" | u32 version | u64 tensors | u64 keys
//   keys     string name | u32 type | value          (gguf_values.h)
//   tensors  string name | u32 n | u64 size [n], the innermost first | u32 ggml type | u64 offset
//   padding to general.alignment (32), then data; the offsets count from there, each tensor is
//   padded, and they follow each other in the order of the table
// where a string is u64 length | bytes. A model may be split over NAME-00001-of-00003.gguf ...,
// each a whole GGUF file with tensors of its own and the keys split.no and split.count.
//
// Tensors of plain numbers have their dtype. The others are U8 [..., bytes of a row], and their
// TensorInfo names the type of the blocks that a row consists of.

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "container/container.h"
#include "container/foreign.h"
#include "container/ggml_types.h"
#include "container/gguf_values.h"

namespace requant {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint32_t kFirstVersion = 2;
constexpr std::uint32_t kLastVersion = 3;
constexpr std::uint32_t kMaxDimensions = 4;  // GGML_MAX_DIMS
constexpr std::uint64_t kMaxNameBytes = 63;  // GGML_MAX_NAME with the NUL that ends it
constexpr std::uint64_t kMaxExtent = std::uint64_t{1} << 40;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr std::uint64_t kHeadBytes = 4096;

Result<void> check_magic(const File& file) {
  RQ_TRY(const Bytes head, file.read_at(0, std::min(file.size(), kHeadBytes)));
  if (head.text().starts_with(kMagic)) return {};
  const std::string_view found = foreign_format(head.span());
  return corrupt(
      fmt::format("expected GGUF, found {}", found.empty() ? "something unknown" : found));
}

Result<void> read_version(FileStream& stream) {
  RQ_TRY(const auto version, stream.number<std::uint32_t>());
  if (version >= kFirstVersion && version <= kLastVersion) return {};
  if ((version & 0xFFFF) == 0 && version != 0) {
    return refused("GGUF of a big-endian machine cannot be read");
  }
  return corrupt(
      fmt::format("GGUF version {}, expected {} or {}", version, kFirstVersion, kLastVersion));
}

Result<std::string> read_name(FileStream& stream) {
  RQ_TRY(const auto size, stream.number<std::uint64_t>());
  if (size == 0 || size > kMaxNameBytes) {
    return corrupt(
        fmt::format("a tensor's name of {} bytes, expected 1 to {}", size, kMaxNameBytes));
  }
  RQ_TRY(std::string name, stream.text(size));
  const bool is_text = valid_utf8(name) && std::ranges::none_of(name, [](char c) {
                         return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
                       });
  if (!is_text) return corrupt(fmt::format("a tensor's name {} is no text", in_quotes(name)));
  return name;
}

// Outermost first.
Result<Shape> read_shape(FileStream& stream) {
  RQ_TRY(const auto rank, stream.number<std::uint32_t>());
  if (rank == 0 || rank > kMaxDimensions) {
    return corrupt(fmt::format("{} dimensions, expected 1 to {}", rank, kMaxDimensions));
  }
  Shape shape(rank);
  for (std::uint32_t i = 0; i < rank; ++i) {
    RQ_TRY(const auto extent, stream.number<std::uint64_t>());
    if (extent == 0 || extent > kMaxExtent) {
      return corrupt(
          fmt::format("a dimension of {}, expected 1 to 2^40", static_cast<std::int64_t>(extent)));
    }
    shape[rank - 1 - i] = static_cast<std::int64_t>(extent);
  }
  return shape;
}

// Sets dtype, shape, bytes and encoding of a tensor of `shape` elements.
Result<void> set_type(const GgmlType& type, Shape shape, TensorInfo& info) {
  if (shape.back() % type.block_elements != 0) {
    return corrupt(fmt::format("rows of {} elements, expected whole blocks of {} for {}",
                               shape.back(), type.block_elements, type.name));
  }
  if (type.dtype) {
    info.dtype = *type.dtype;
  } else {
    info.dtype = DType::kU8;
    info.set_special({.encoding = type.name});
    shape.back() = shape.back() / type.block_elements * type.block_bytes;
  }
  info.shape = std::move(shape);
  const auto elements = element_count(info.shape);
  const auto bytes = elements ? byte_size(info.dtype, *elements) : std::nullopt;
  if (!bytes) return corrupt("its size overflows");
  info.bytes = *bytes;
  return {};
}

// Where the next tensor has to be, counted from the begin of the data.
Result<std::uint64_t> padded_end(const TensorInfo& info, std::uint64_t alignment) {
  const auto end = (Checked(info.offset) + info.bytes + (alignment - 1)).value();
  if (!end) return corrupt("the sizes of the tensors overflow");
  return *end & ~(alignment - 1);
}

// The rest of a tensor's entry; `expected` is where its data have to begin.
Result<TensorInfo> read_tensor(FileStream& stream, std::string name, std::uint64_t expected) {
  TensorInfo info;
  info.name = std::move(name);
  RQ_TRY(Shape shape, read_shape(stream));
  RQ_TRY(const auto number, stream.number<std::uint32_t>());
  const GgmlType* type = ggml_type(number);
  if (type == nullptr) {
    return corrupt(fmt::format("ggml type {}, which is none", static_cast<std::int32_t>(number)));
  }
  RQ_CHECK(set_type(*type, std::move(shape), info));
  RQ_TRY(info.offset, stream.number<std::uint64_t>());
  if (info.offset != expected) {
    return corrupt(fmt::format("its data begin at {}, expected {}", info.offset, expected));
  }
  return info;
}

Result<std::vector<TensorInfo>> read_tensors(FileStream& stream, std::uint64_t count,
                                             std::uint64_t alignment) {
  if (count > stream.left() / kMinTensorBytes) {
    return corrupt(fmt::format("{} tensors, and {} bytes left in the file", count, stream.left()));
  }
  std::vector<TensorInfo> tensors;
  std::uint64_t expected = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    RQ_TRY(std::string name, read_name(stream));
    const std::string where = printable(name);
    RQ_TRY_IN(tensors.emplace_back(), read_tensor(stream, std::move(name), expected), where);
    RQ_TRY_IN(expected, padded_end(tensors.back(), alignment), where);
  }
  return tensors;
}

Result<void> place_tensors(std::vector<TensorInfo>& tensors, std::uint64_t data_begin,
                           std::uint64_t file_bytes) {
  for (TensorInfo& tensor : tensors) {
    const auto begin = (Checked(data_begin) + tensor.offset).value();
    const auto end = begin ? (Checked(*begin) + tensor.bytes).value() : std::nullopt;
    if (!end || *end > file_bytes) {
      return corrupt(fmt::format("{}: the file is truncated: {} bytes, expected at least {}",
                                 printable(tensor.name), file_bytes, end.value_or(UINT64_MAX)));
    }
    tensor.offset = *begin;
  }
  return {};
}

// Reads a header; positions of tensors count from the begin of the file.
Result<void> read(const File& file, std::uint32_t file_index, Source::Parts& parts) {
  RQ_CHECK(check_magic(file));
  FileStream stream(file);
  RQ_CHECK(stream.skip(kMagic.size()));
  RQ_CHECK(read_version(stream));
  RQ_TRY(const auto tensor_count, stream.number<std::uint64_t>());
  RQ_TRY(const auto key_count, stream.number<std::uint64_t>());
  RQ_TRY(GgufValues values, GgufValues::read(stream, key_count));
  const std::uint64_t alignment = values.alignment();
  RQ_TRY(auto tensors, read_tensors(stream, tensor_count, alignment));
  const std::uint64_t data_begin = (stream.position() + alignment - 1) & ~(alignment - 1);
  RQ_CHECK(place_tensors(tensors, data_begin, file.size()));
  const std::uint64_t end =
      tensors.empty() ? data_begin : tensors.back().offset + tensors.back().bytes;
  if (file.size() >= ((end + alignment - 1) & ~(alignment - 1)) + 1) {
    parts.notes.push_back(
        fmt::format("{}: {} bytes after the last tensor", file.label(), file.size() - end));
  }
  for (TensorInfo& tensor : tensors) {
    tensor.file = file_index;
    parts.tensors.push_back(std::move(tensor));
  }
  parts.metadata.merge(values.take());
  return {};
}

Result<void> read_header(const File& file, std::uint32_t file_index, Source::Parts& parts) {
  RQ_CHECK_IN(read(file, file_index, parts), file.label());
  return {};
}

std::optional<std::int64_t> number_at(const Source::Parts& parts, const std::string& key) {
  const auto found = parts.metadata.find(key);
  if (found == parts.metadata.end()) return std::nullopt;
  const auto json = parse_json(found->second);
  return json ? json->as_int() : std::nullopt;
}

// The keys of the first file say of how many it is one.
Result<void> check_all(const Source::Parts& parts) {
  const std::int64_t count = number_at(parts, "split.count").value_or(0);
  const auto files = static_cast<std::int64_t>(parts.files.size());
  const std::string& first = parts.files.front().label();
  if (count > 1 && count != files) {
    return corrupt(
        fmt::format("{}: 'split.count' is {}, and {} of these files {} read: name "
                    "their folder",
                    first, count, files, files == 1 ? "is" : "are"));
  }
  if (const std::int64_t number = number_at(parts, "split.no").value_or(0); number != 0) {
    return corrupt(fmt::format("{}: 'split.no' is {}, expected 0", first, number));
  }
  const auto tensors = number_at(parts, "split.tensors.count");
  if (count > 1 && tensors && *tensors != static_cast<std::int64_t>(parts.tensors.size())) {
    return corrupt(fmt::format("{}: 'split.tensors.count' is {}, the files have {}", first,
                               *tensors, parts.tensors.size()));
  }
  return {};
}

Match identify(const Probe& probe) {
  const std::string_view head(static_cast<const char*>(static_cast<const void*>(probe.head.data())),
                              probe.head.size());
  const bool begins = head.starts_with(kMagic);
  const bool named = probe.path.extension() == ".gguf";
  return begins && named ? Match::kYes : begins || named ? Match::kMaybe : Match::kNo;
}

constexpr std::string_view kFileNames[] = {"model.gguf"};
constexpr std::string_view kExtensions[] = {".gguf"};

}  // namespace

extern const Container k_container_gguf;
const Container k_container_gguf = {
    .name = "gguf",
    .long_name = "GGUF 2 and 3, one file or split",
    .source = "ggml-org/llama.cpp ggml/src/gguf.cpp of llama-cpp-python 0.3.36",
    .identify = identify,
    .read_header = read_header,
    .check_all = check_all,
    .index_names = {},
    .file_names = kFileNames,
    .extensions = kExtensions,
};

}  // namespace requant
