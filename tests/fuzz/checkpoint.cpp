// A valid checkpoint mutated as a whole: every weight and tensor of what still opens is read.
#include "checkpoint/checkpoint.h"

#include "bundle.h"
#include "target.h"

namespace {

constexpr std::uint64_t kReadLimit = 1 << 17;

std::uint64_t bytes_of_parts(const requant::Weight& weight) {
  std::uint64_t sum = 0;
  for (const auto& [suffix, info] : weight.parts) sum += std::min(info->bytes, kReadLimit);
  return sum;
}

}  // namespace

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bundle bundle = fuzz::Bundle::parse(fuzz::text_of(data, size));
  const auto folder = bundle.folder();
  if (folder == nullptr) return 0;
  const auto checkpoint = Checkpoint::open(folder, bundle.name());
  if (!checkpoint) return 0;
  for (const Weight& weight : checkpoint->weights()) {
    if (bytes_of_parts(weight) >= kReadLimit) continue;
    const auto read = checkpoint->read(weight);
    if (!read) continue;
    fuzz::require(read->rows == weight.rows && read->cols == weight.cols, "the size that was said");
  }
  for (const DenseTensor& tensor : checkpoint->dense()) {
    if (tensor.tensor->bytes < kReadLimit) static_cast<void>(checkpoint->read(tensor));
  }
  return 0;
}
