#include "plan/shard_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <tuple>

#include "base/hash.h"
#include "base/hash_file.h"
#include "base/signals.h"
#include "base/threads.h"
#include "container/strided.h"

namespace requant {
namespace {

// The header of a file, or one tensor.
struct Piece {
  std::uint32_t shard = 0;
  const ShardSums::Tensor* tensor = nullptr;  // nullptr: the header
};

class Search {
 public:
  Search(const std::filesystem::path& folder, std::span<const ShardSums> shards,
         const ReadCall& progress)
      : folder_(folder), shards_(shards), progress_(progress) {}

  Result<std::vector<Damage>> run() {
    RQ_CHECK(open_files());
    RQ_CHECK(for_each_parallel(pieces_.size(), [&](std::size_t i) { return look_at(pieces_[i]); }));
    std::ranges::sort(found_, {}, [](const auto& found) { return std::get<0>(found); });
    std::vector<Damage> damage;
    for (auto& [place, one] : found_) damage.push_back(std::move(one));
    return damage;
  }

 private:
  Result<void> open_files() {
    files_.resize(shards_.size());
    for (std::uint32_t i = 0; i < shards_.size(); ++i) {
      const ShardSums& shard = shards_[i];
      auto file = File::open(folder_ / shard.file, shard.file);
      if (!file && file.error().code() == ErrorCode::kResource) return std::move(file).error();
      if (!file) {
        add({i, nullptr}, {shard.file, "", file.error().message().substr(shard.file.size() + 2)});
        continue;
      }
      files_[i] = *std::move(file);
      if (files_[i].size() != shard.bytes) {
        add({i, nullptr},
            {shard.file, "",
             fmt::format("has {} bytes, expected {}", files_[i].size(), shard.bytes)});
        if (files_[i].size() < shard.bytes) continue;
      }
      total_ += shard.bytes;
      pieces_.push_back({i, nullptr});
      for (const ShardSums::Tensor& tensor : shard.tensors) pieces_.push_back({i, &tensor});
    }
    return {};
  }

  Result<void> look_at(const Piece& piece) {
    const ShardSums& shard = shards_[piece.shard];
    const File& file = files_[piece.shard];
    if (piece.tensor == nullptr) {
      RQ_TRY(const Bytes header, file.read_at(0, shard.header.size()));
      read(shard.header.size());
      const auto differs = std::ranges::mismatch(header.text(), shard.header).in1;
      if (differs == header.text().end()) return {};
      const auto at = static_cast<std::size_t>(differs - header.text().begin());
      add(piece, {shard.file, "", fmt::format("the header differs from byte {} on", at)});
      return {};
    }
    const auto count = [&](std::span<const std::byte> bytes) -> Result<void> {
      read(bytes.size());
      if (interrupted()) return Error(ErrorCode::kInterrupted, "interrupted");
      return {};
    };
    RQ_TRY(const std::string found, hash_of(file, piece.tensor->info, count));
    if (found == piece.tensor->sha256) return {};
    add(piece, {shard.file, piece.tensor->info.name,
                fmt::format("its SHA-256 is {}, expected {}", found, piece.tensor->sha256)});
    return {};
  }

  // Of the rows in the tensor's own order.
  template <class Count>
  static Result<std::string> hash_of(const File& file, const TensorInfo& info, const Count& count) {
    if (info.strides().empty()) return sha256_hex(file, info.offset, info.bytes, count);
    RQ_TRY(const Tensor tensor, read_strided(file, info));
    RQ_CHECK(count(tensor.bytes.span()));
    return sha256_hex(tensor.bytes.span());
  }

  void read(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  void add(const Piece& piece, Damage damage) {
    const std::uint64_t offset = piece.tensor == nullptr ? 0 : piece.tensor->info.offset;
    const std::lock_guard lock(mutex_);
    found_.emplace_back(std::pair(piece.shard, offset), std::move(damage));
  }

  const std::filesystem::path& folder_;
  std::span<const ShardSums> shards_;
  const ReadCall& progress_;
  std::vector<File> files_;
  std::vector<Piece> pieces_;
  std::uint64_t total_ = 0;
  std::mutex mutex_;  // guards the rest
  std::uint64_t done_ = 0;
  std::vector<std::pair<std::pair<std::uint32_t, std::uint64_t>, Damage>> found_;
};

}  // namespace

Result<FileLayout> layout_of(const Plan& plan, std::uint32_t shard) {
  if (plan.layout) return *plan.layout;
  std::vector<PlannedTensor> tensors;
  for (const std::uint32_t output : plan.shards[shard].outputs) {
    const TensorInfo& info = *plan.outputs[output].tensor;
    tensors.push_back({info.name, info.dtype, info.shape});
  }
  return safetensors_file(tensors, plan.metadata);
}

ShardSums shard_sums(std::string file, FileLayout layout, std::span<const std::string> sha256) {
  ShardSums sums{.file = std::move(file),
                 .header = std::move(layout.header),
                 .bytes = layout.bytes,
                 .tensors = {}};
  for (std::size_t i = 0; i < layout.tensors.size(); ++i) {
    sums.tensors.push_back({std::move(layout.tensors[i]), sha256[i]});
  }
  return sums;
}

Result<ShardSums> shard_sums(std::string file, std::span<const PlannedTensor> tensors,
                             std::span<const std::string> sha256,
                             const std::map<std::string, std::string>& metadata) {
  RQ_TRY(FileLayout layout, safetensors_file(tensors, metadata));
  return shard_sums(std::move(file), std::move(layout), sha256);
}

Result<ShardSums> shard_sums(const Plan& plan, std::uint32_t shard,
                             std::span<const TensorRecord> records) {
  std::vector<std::string> sha256;
  for (const std::uint32_t output : plan.shards[shard].outputs) {
    sha256.push_back(records[output].sha256);
  }
  RQ_TRY(FileLayout layout, layout_of(plan, shard));
  return shard_sums(plan.shards[shard].file, std::move(layout), sha256);
}

Result<std::vector<Damage>> find_damage(const std::filesystem::path& folder,
                                        std::span<const ShardSums> shards,
                                        const ReadCall& progress) {
  return Search(folder, shards, progress).run();
}

}  // namespace requant
