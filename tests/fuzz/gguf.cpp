// One GGUF file: what is accepted can be read, lies within the file and behind one another, and has
// the same place in a file made of the same keys and tensors.
#include <algorithm>

#include "base/json.h"
#include "container/container.h"
#include "container/ggml_types.h"
#include "container/gguf_file.h"
#include "memory_folder.h"
#include "target.h"

namespace requant::fuzz {
namespace {

constexpr std::uint64_t kReadLimit = 1 << 16;

void check(const Source& source, std::uint64_t file_bytes) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  for (const TensorInfo& tensor : source.tensors()) {
    require(tensor.offset <= file_bytes && tensor.bytes <= file_bytes - tensor.offset,
            "a tensor lies in the file");
    places.emplace_back(tensor.offset, tensor.bytes);
    if (!tensor.encoding().empty()) {
      const GgmlType* type = ggml_type(tensor.encoding());
      require(type != nullptr && tensor.shape.back() % type->block_bytes == 0, "whole blocks");
    }
    require(source.find(tensor.name) == &tensor, "a tensor is found by its name");
    if (tensor.bytes > kReadLimit) continue;
    const auto read = source.read(tensor);
    require(read && read->bytes.size() == tensor.bytes, "an accepted tensor can be read");
  }
  std::ranges::sort(places);
  for (std::size_t i = 1; i < places.size(); ++i) {
    require(places[i - 1].first + places[i - 1].second <= places[i].first, "no two overlap");
  }
  for (const auto& [key, value] : source.metadata()) {
    require(!key.empty() && parse_json(value), "a value is JSON");
  }
}

GgufTensor as_made(const TensorInfo& info) {
  GgufTensor tensor{info.name, info.encoding(), info.shape};
  if (tensor.type.empty()) {
    tensor.type = ggml_name_of(info.dtype);
  } else {
    const GgmlType* type = ggml_type(tensor.type);
    tensor.shape.back() = tensor.shape.back() / type->block_bytes * type->block_elements;
  }
  return tensor;
}

void make_again(const Source& source) {
  const auto keys = GgufKeyBytes::read(source.files().front());
  require(keys && keys->size() == source.metadata().size(), "keys can be copied");
  std::vector<const TensorInfo*> tensors;
  for (const TensorInfo& tensor : source.tensors()) tensors.push_back(&tensor);
  std::ranges::sort(tensors, {}, &TensorInfo::offset);
  std::vector<GgufTensor> table;
  for (const TensorInfo* tensor : tensors) table.push_back(as_made(*tensor));
  const auto made = gguf_file(*keys, table);
  require(static_cast<bool>(made), "what was read can be made");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    require(made->offsets[i] == tensors[i]->offset, "a tensor has its place again");
  }
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  requant::fuzz::MemoryFolder folder;
  folder.add("model.gguf", std::string(requant::fuzz::text_of(data, size)));
  const auto source = requant::open_source(folder, "model.gguf");
  if (!source) return 0;
  requant::fuzz::check(*source, size);
  requant::fuzz::make_again(*source);
  return 0;
}
