#include "plan/job.h"

#include <algorithm>

#include "base/signals.h"
#include "base/text.h"

namespace requant {
namespace {

// The file does not hold the tensor as one run of bytes.
Result<void> copy_strided(Run& run, const TensorInfo& info, std::uint32_t output,
                          const Inspect& inspect) {
  const ByteBudget::Share share(run.budget, info.bytes);
  RQ_TRY(const Tensor tensor, run.checkpoint.source().read(info));
  if (inspect) RQ_CHECK(inspect(tensor.bytes.span()));
  TensorRecord& record = run.records[output];
  record.sha256 = sha256_hex(tensor.bytes.span());
  record.source_sha256 = {record.sha256};
  return put(run, output, 0, tensor.bytes.span());
}

}  // namespace

Result<void> put(Run& run, std::uint32_t output, std::uint64_t begin,
                 std::span<const std::byte> bytes) {
  if (run.stopped || interrupted()) return interruption();
  RQ_CHECK(run.shards.fill(output, begin, bytes));
  run.done += bytes.size();
  return {};
}

Result<void> copy_tensor(Run& run, const TensorInfo& tensor, std::uint32_t output,
                         std::span<std::byte> space, const Inspect& inspect) {
  if (!tensor.strides().empty()) return copy_strided(run, tensor, output, inspect);
  const Source& source = run.checkpoint.source();
  Sha256 hash;
  for (std::uint64_t begin = 0; begin < tensor.bytes;) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), tensor.bytes - begin));
    const auto piece = space.first(size);
    RQ_CHECK(source.read_bytes(tensor, begin, piece));
    if (inspect) RQ_CHECK(inspect(piece));
    RQ_CHECK(put(run, output, begin, piece));
    hash.update(piece);
    begin += size;
  }
  TensorRecord& record = run.records[output];
  record.sha256 = hash.hex();
  record.source_sha256 = {record.sha256};
  return {};
}

Result<void> widen_tensor(Run& run, const TensorInfo& tensor, std::uint32_t output) {
  const ByteBudget::Share share(run.budget, 3 * tensor.bytes);
  RQ_TRY(const Tensor narrow, run.checkpoint.source().read(tensor));
  RQ_TRY(const Tensor wide, to_f32(narrow));
  TensorRecord& record = run.records[output];
  record.sha256 = sha256_hex(wide.bytes.span());
  record.source_sha256 = {sha256_hex(narrow.bytes.span())};
  return put(run, output, 0, wide.bytes.span());
}

}  // namespace requant
