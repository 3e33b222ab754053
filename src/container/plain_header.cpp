#include "container/plain_header.h"

#include <utility>

#include "base/checked.h"
#include "base/plain_json.h"

namespace requant {
namespace {

constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kUsualDimensions = 2;
constexpr std::size_t kUsualEntryBytes = 160;  // what a tensor takes in a header, or less

class Reader {
 public:
  explicit Reader(std::string_view json) : json_(json) {
    header_.tensors.reserve(json.size() / kUsualEntryBytes);
  }

  bool read() {
    return json_.take('{') && json_.list('}', [&] { return member(); }) && json_.ends();
  }
  PlainHeader take() { return std::move(header_); }

 private:
  bool member() {
    std::string_view name;
    if (!json_.key(name) || !json_.take('{')) return false;
    return name == "__metadata__" ? metadata() : entry(name);
  }

  bool metadata() {
    if (std::exchange(has_metadata_, true)) return false;
    return json_.list('}', [&] {
      std::string_view key;
      std::string_view value;
      return json_.key(key) && json_.string(value) && header_.metadata.emplace(key, value).second;
    });
  }

  bool entry(std::string_view name) {
    if (name.size() > kMaxNameBytes) return false;
    TensorInfo& tensor = header_.tensors.emplace_back();
    tensor.name = name;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return json_.list('}', [&] { return field(tensor); }) && has_dtype_ && has_shape_ &&
           has_offsets_ && fills_its_size(tensor);
  }

  bool field(TensorInfo& tensor) {
    std::string_view key;
    if (!json_.key(key)) return false;
    if (key == "dtype") return !std::exchange(has_dtype_, true) && dtype(tensor);
    if (key == "shape") return !std::exchange(has_shape_, true) && shape(tensor);
    return key == "data_offsets" && !std::exchange(has_offsets_, true) && offsets(tensor);
  }

  bool dtype(TensorInfo& tensor) {
    std::string_view name;
    if (!json_.string(name)) return false;
    if (name != name_of(dtype_)) {
      const auto dtype = dtype_named(name);
      if (!dtype) return false;
      dtype_ = *dtype;
    }
    tensor.dtype = dtype_;
    return true;
  }

  bool shape(TensorInfo& tensor) {
    if (!json_.take('[')) return false;
    tensor.shape.reserve(kUsualDimensions);
    return json_.list(']', [&] {
      std::uint64_t size = 0;
      if (!json_.number(size) || tensor.shape.size() == kMaxDimensions) return false;
      tensor.shape.push_back(static_cast<std::int64_t>(size));
      return true;
    });
  }

  bool offsets(TensorInfo& tensor) {
    std::uint64_t end = 0;
    const bool read = json_.take('[') && json_.number(tensor.offset) && json_.take(',') &&
                      json_.number(end) && json_.take(']') && tensor.offset <= end;
    tensor.bytes = end - tensor.offset;
    return read;
  }

  static bool fills_its_size(const TensorInfo& tensor) {
    const auto count = element_count(tensor.shape);
    return count && byte_size(tensor.dtype, *count) == tensor.bytes;
  }

  PlainJson json_;
  PlainHeader header_;
  bool has_metadata_ = false;
  DType dtype_ = DType::kBF16;  // the last one
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
};

}  // namespace

std::optional<PlainHeader> read_plain_header(std::string_view json) {
  Reader reader(json);
  if (!reader.read()) return std::nullopt;
  return reader.take();
}

}  // namespace requant
