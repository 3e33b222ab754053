// An index over two shards that are in order; the first byte says whose index it is, and what lies
// beside it or in its place.
#include "container/container.h"
#include "container/writer.h"
#include "memory_folder.h"
#include "target.h"

namespace requant::fuzz {
namespace {

std::string shard(std::vector<PlannedTensor> tensors) {
  const auto layout = safetensors_layout(tensors, {});
  return layout->header + std::string(layout->data_bytes, '\0');
}

MemoryFolder shards() {
  MemoryFolder folder;
  folder.add("model-00001-of-00002.safetensors",
             shard({{"a", DType::kF32, {2}}, {"b", DType::kU8, {3}}}));
  folder.add("model-00002-of-00002.safetensors", shard({{"c", DType::kBF16, {2, 2}}}));
  folder.add("other.safetensors", shard({{"a", DType::kF32, {2}}}));
  folder.add("notes.txt", "no weights");
  return folder;
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFolder shards = fuzz::shards();
  if (size == 0) return 0;
  fuzz::MemoryFolder folder = shards;
  const bool pickle = (data[0] & 1) != 0;
  const bool alone = (data[0] & 2) != 0;
  const bool by_name = (data[0] & 4) != 0;
  const std::string index =
      pickle ? "pytorch_model.bin.index.json" : "model.safetensors.index.json";
  const std::string text(fuzz::text_of(data + 1, size - 1));
  if ((data[0] & 8) != 0) {
    folder.add(text, "a file of any name");
  } else {
    folder.add(index, text);
  }
  if (alone) folder.add("model.safetensors", "unused");
  const auto source = open_source(folder, by_name ? index : "");
  if (!source) return 0;
  for (const File& file : source->files()) {
    fuzz::require(folder.has(file.label()), "only files of the folder are opened");
  }
  return 0;
}
