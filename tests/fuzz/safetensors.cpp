// One safetensors file: every byte of the data belongs to one tensor, and the tensors come back
// from a header written for them.
#include "container/container.h"
#include "container/writer.h"
#include "memory_folder.h"
#include "target.h"

namespace requant::fuzz {
namespace {

constexpr std::uint64_t kReadLimit = 1 << 16;

Result<Source> open(std::string bytes) {
  MemoryFolder folder;
  folder.add("model.safetensors", std::move(bytes));
  RQ_TRY(Source source, open_source(folder, "model.safetensors"));
  std::uint64_t sum = 0;
  for (const TensorInfo& tensor : source.tensors()) {
    sum += tensor.bytes;
    if (tensor.bytes > kReadLimit) continue;
    const auto read = source.read(tensor);
    require(read && read->bytes.size() == tensor.bytes, "an accepted tensor can be read");
    require(source.find(tensor.name) == &tensor, "a tensor is found by its name");
  }
  require(sum == source.total_bytes(), "sizes add up");
  return source;
}

void write_and_read(const Source& source) {
  std::vector<PlannedTensor> plan;
  for (const TensorInfo& tensor : source.tensors()) {
    plan.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  const auto layout = safetensors_layout(plan, source.metadata());
  if (!layout) return;
  const auto again = open(layout->header + std::string(layout->data_bytes, '\0'));
  require(again && again->tensors().size() == plan.size(), "a written header is read");
  for (std::size_t i = 0; i < plan.size(); ++i) {
    require(again->tensors()[i].name == plan[i].name && again->tensors()[i].shape == plan[i].shape,
            "tensors come back");
  }
  require(again->metadata() == source.metadata(), "metadata comes back");
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto source = requant::fuzz::open(std::string(requant::fuzz::text_of(data, size)));
  if (source) requant::fuzz::write_and_read(*source);
  return 0;
}
