#include <fmt/format.h>
#include <sys/stat.h>

#include "base/build_id.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "plan/journal.h"
#include "plan/version.h"

namespace requant {
namespace {

// Texts and numbers of any length, one after the other without a doubt where each ends.
class Digest {
 public:
  Digest& add(std::string_view text) {
    add(text.size());
    hash_.update(bytes_of(text));
    return *this;
  }
  Digest& add(std::uint64_t number) {
    hash_.update(std::as_bytes(std::span(&number, 1)));
    return *this;
  }
  std::string hex() { return hash_.hex(); }

 private:
  Sha256 hash_;
};

void add(Digest& digest, const TensorInfo& tensor) {
  digest.add(tensor.name).add(static_cast<std::uint64_t>(tensor.dtype)).add(tensor.shape.size());
  for (const std::int64_t size : tensor.shape) digest.add(static_cast<std::uint64_t>(size));
  digest.add(tensor.bytes);
}

std::string digest_of_source(const Checkpoint& checkpoint) {
  Digest digest;
  for (const File& file : checkpoint.source().files()) {
    digest.add(file.label()).add(identity_of(checkpoint.root() / file.label()));
  }
  return digest.hex();
}

std::string digest_of(const Plan& plan) {
  Digest digest;
  digest.add(plan.target.dialect->name).add(plan.target.scheme).add(plan.config.dump());
  for (const auto& [key, value] : plan.metadata) digest.add(key).add(value);
  if (plan.layout) digest.add(plan.layout->header);
  for (const OutputTensor& output : plan.outputs) {
    add(digest, *output.tensor);
    digest.add(output.shard).add(static_cast<std::uint64_t>(output.kind));
    for (const TensorInfo* source : output.sources) {
      add(digest, *source);
      digest.add(source->file).add(source->offset);
    }
  }
  for (const Shard& shard : plan.shards) digest.add(shard.file).add(shard.outputs.size());
  return digest.hex();
}

}  // namespace

std::string identity_of(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "not there";
  return fmt::format("{} {} {}.{}", status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

Fingerprint fingerprint_of(const Checkpoint& checkpoint, const Plan& plan,
                           std::string_view options) {
  return {.program = fmt::format("{} {}", kVersion, build_id()),
          .options = std::string(options),
          .source = digest_of_source(checkpoint),
          .plan = digest_of(plan)};
}

}  // namespace requant
