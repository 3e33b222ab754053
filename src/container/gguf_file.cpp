#include "container/gguf_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"
#include "container/file_stream.h"
#include "container/ggml_types.h"
#include "container/gguf_values.h"

namespace requant {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::size_t kMaxNameBytes = 63;
constexpr std::size_t kMaxDimensions = 4;
constexpr std::uint64_t kMaxKeyBytes = std::uint64_t{256} << 20;  // of all

// Numbers of the types of values.
enum class ValueType : std::uint32_t {
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
};

template <class T>
void put(std::string& to, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    to.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  }
}

void put(std::string& to, ValueType type) { put(to, static_cast<std::uint32_t>(type)); }
void put(std::string& to, float value) { put(to, std::bit_cast<std::uint32_t>(value)); }
void put(std::string& to, std::int32_t value) { put(to, static_cast<std::uint32_t>(value)); }

void put(std::string& to, std::string_view text) {
  put(to, std::uint64_t{text.size()});
  to += text;
}

template <class T>
std::string array_of(ValueType type, std::span<const T> values) {
  std::string bytes;
  put(bytes, ValueType::kArray);
  put(bytes, type);
  put(bytes, std::uint64_t{values.size()});
  for (const T& value : values) {
    if constexpr (std::is_same_v<T, std::string>) {
      put(bytes, std::string_view(value));
    } else {
      put(bytes, value);
    }
  }
  return bytes;
}

std::uint64_t padded(std::uint64_t position, std::uint64_t alignment) {
  return (position + alignment - 1) & ~(alignment - 1);
}

Result<std::uint64_t> size_of(const GgufTensor& tensor, const GgmlType& type) {
  const Shape& shape = tensor.shape;
  if (tensor.name.empty() || tensor.name.size() > kMaxNameBytes) {
    return refused(
        fmt::format("a name of {} bytes, GGUF has room for {}", tensor.name.size(), kMaxNameBytes));
  }
  if (shape.empty() || shape.size() > kMaxDimensions) {
    return refused(fmt::format("{} dimensions, GGUF has 1 to {}", shape.size(), kMaxDimensions));
  }
  const auto elements = element_count(shape);
  if (!elements || *elements == 0 || shape.back() % type.block_elements != 0) {
    return refused(fmt::format("{} is not whole blocks of {} for {}", to_string(shape),
                               type.block_elements, type.name));
  }
  const auto bytes = (Checked(*elements / type.block_elements) * type.block_bytes).value();
  if (!bytes) return usage("its size overflows");
  return *bytes;
}

}  // namespace

Result<GgufKeyBytes> GgufKeyBytes::read(const File& file) {
  FileStream stream(file);
  RQ_TRY(const std::string magic, stream.text(kMagic.size()));
  if (magic != kMagic) return corrupt(file.label() + ": is no GGUF");
  GgufKeyBytes keys;
  RQ_TRY(keys.version_, stream.number<std::uint32_t>());
  RQ_CHECK(stream.skip(sizeof(std::uint64_t)));  // of tensors
  RQ_TRY(const auto count, stream.number<std::uint64_t>());
  std::vector<GgufKeyPlace> places;
  RQ_TRY_IN(const GgufValues values, GgufValues::read(stream, count, &places), file.label());
  keys.alignment_ = values.alignment();
  std::uint64_t total = 0;
  for (GgufKeyPlace& place : places) {
    total += place.bytes;
    if (total > kMaxKeyBytes) {
      return refused(
          fmt::format("{}: its keys have more than {} MiB", file.label(), kMaxKeyBytes >> 20));
    }
    RQ_TRY(const Bytes bytes, file.read_at(place.begin, place.bytes));
    keys.pairs_.emplace_back(std::move(place.key), std::string(bytes.text()));
  }
  return keys;
}

void GgufKeyBytes::set(std::string_view key, std::string value) {
  const auto found = std::ranges::find(pairs_, key, [](const auto& pair) { return pair.first; });
  if (found == pairs_.end()) {
    pairs_.emplace_back(key, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

void GgufKeyBytes::set_u32(std::string_view key, std::uint32_t value) {
  std::string bytes;
  put(bytes, ValueType::kU32);
  put(bytes, value);
  set(key, std::move(bytes));
}

void GgufKeyBytes::set_f32(std::string_view key, float value) {
  std::string bytes;
  put(bytes, ValueType::kF32);
  put(bytes, value);
  set(key, std::move(bytes));
}

void GgufKeyBytes::set_bool(std::string_view key, bool value) {
  std::string bytes;
  put(bytes, ValueType::kBool);
  bytes.push_back(value ? 1 : 0);
  set(key, std::move(bytes));
}

void GgufKeyBytes::set_string(std::string_view key, std::string_view value) {
  std::string bytes;
  put(bytes, ValueType::kString);
  put(bytes, value);
  set(key, std::move(bytes));
}

void GgufKeyBytes::set_strings(std::string_view key, std::span<const std::string> values) {
  set(key, array_of(ValueType::kString, values));
}
void GgufKeyBytes::set_i32s(std::string_view key, std::span<const std::int32_t> values) {
  set(key, array_of(ValueType::kI32, values));
}
void GgufKeyBytes::set_f32s(std::string_view key, std::span<const float> values) {
  set(key, array_of(ValueType::kF32, values));
}

void GgufKeyBytes::erase(std::string_view key) {
  std::erase_if(pairs_, [&](const auto& pair) { return pair.first == key; });
}

bool GgufKeyBytes::has(std::string_view key) const {
  return std::ranges::find(pairs_, key, [](const auto& pair) { return pair.first; }) !=
         pairs_.end();
}

std::string GgufKeyBytes::bytes() const {
  std::string bytes;
  for (const auto& [key, value] : pairs_) {
    put(bytes, std::string_view(key));
    bytes += value;
  }
  return bytes;
}

Result<GgufFile> gguf_file(const GgufKeyBytes& keys, std::span<const GgufTensor> tensors) {
  GgufFile file;
  std::string& header = file.header;
  header = kMagic;
  put(header, keys.version());
  put(header, std::uint64_t{tensors.size()});
  put(header, std::uint64_t{keys.size()});
  header += keys.bytes();
  std::set<std::string_view> names;
  std::uint64_t next = 0;
  for (const GgufTensor& tensor : tensors) {
    const GgmlType* type = ggml_type(tensor.type);
    if (type == nullptr || !names.insert(tensor.name).second) {
      return usage(printable(tensor.name) + ": of no type of ggml, or twice");
    }
    RQ_TRY_IN(const std::uint64_t bytes, size_of(tensor, *type), printable(tensor.name));
    put(header, std::string_view(tensor.name));
    put(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (std::size_t d = tensor.shape.size(); d-- > 0;) {
      put(header, static_cast<std::uint64_t>(tensor.shape[d]));
    }
    put(header, type->id);
    put(header, next);
    file.offsets.push_back(next);
    const auto end = (Checked(next) + bytes + keys.alignment()).value();
    if (!end) return usage("the tensors' sizes overflow");
    next = padded(next + bytes, keys.alignment());
  }
  header.resize(padded(header.size(), keys.alignment()), '\0');
  for (std::uint64_t& offset : file.offsets) offset += header.size();
  file.bytes = header.size() + next;
  return file;
}

std::string_view ggml_name_of(DType dtype) {
  const GgmlType* type = ggml_type(name_of(dtype));
  return type != nullptr && type->dtype == dtype ? type->name : std::string_view();
}

}  // namespace requant
