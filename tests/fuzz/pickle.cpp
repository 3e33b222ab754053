// A PyTorch zip; what is no zip goes to the pickle interpreter as it is.
#include "container/pickle.h"

#include "container/container.h"
#include "memory_folder.h"
#include "target.h"

namespace {

constexpr std::uint64_t kReadLimit = 1 << 16;

void read_all(const requant::Source& source) {
  for (const requant::TensorInfo& tensor : source.tensors()) {
    if (tensor.bytes > kReadLimit) continue;
    const auto read = source.read(tensor);
    requant::fuzz::require(!read || read->bytes.size() == tensor.bytes, "the size that was said");
  }
}

}  // namespace

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = requant::fuzz::text_of(data, size);
  if (!text.starts_with("PK")) {
    const auto bytes = requant::Bytes::copy_of(requant::bytes_of(text));
    if (bytes) static_cast<void>(requant::read_pickle(*bytes));
    return 0;
  }
  requant::fuzz::MemoryFolder folder;
  folder.add("pytorch_model.bin", std::string(text));
  const auto source = requant::open_source(folder, "pytorch_model.bin");
  if (source) read_all(*source);
  return 0;
}
