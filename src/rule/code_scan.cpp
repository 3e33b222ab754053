#include "rule/code_scan.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/threads.h"
#include "kernel/scan_exponents.h"

namespace requant {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{1} << 17;
static_assert(kChunk % CodeScan::kBlock == 0);

// What kernel::scan_exponents() wants to know of a type.
struct Lanes {
  std::uint64_t exponent = 0;  // mask
  std::uint64_t one = 0;       // the exponent's lowest bit
  std::uint64_t carry = 0;     // the sign's place
};

constexpr std::uint64_t repeat(std::uint64_t lane, int bits) {
  std::uint64_t word = 0;
  for (int at = 0; at < 64; at += bits) word |= lane << at;
  return word;
}

constexpr Lanes lanes(std::uint64_t exponent, std::uint64_t one, int bits) {
  return {repeat(exponent, bits), repeat(one, bits), repeat(std::uint64_t{1} << (bits - 1), bits)};
}

std::optional<Lanes> lanes_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return lanes(0x7F800000, 0x800000, 32);
    case DType::kF16:
      return lanes(0x7C00, 0x400, 16);
    case DType::kBF16:
      return lanes(0x7F80, 0x80, 16);
    case DType::kF8E4M3:  // the mantissa has to be all ones too
      return lanes(0x7F, 0x1, 8);
    case DType::kF8E5M2:
      return lanes(0x7C, 0x4, 8);
    default:
      return std::nullopt;
  }
}

bool any_not_finite(std::span<const std::byte> bytes, const Lanes& lanes) {
  return kernel::scan_exponents({.data = bytes.data(),
                                 .bytes = bytes.size(),
                                 .exponent = lanes.exponent,
                                 .one = lanes.one,
                                 .sign = lanes.carry});
}

std::uint64_t count_not_finite(std::span<const std::byte> bytes, const Lanes& lanes) {
  if (!any_not_finite(bytes, lanes)) return 0;
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const auto word = bytes.subspan(at, std::min<std::size_t>(8, bytes.size() - at));
    count += any_not_finite(word, lanes) ? 1 : 0;
  }
  return count;
}

// Codes of fewer bits than the bytes that they lie in, one a byte.
struct Range {
  int lowest = 0;
  int highest = 0;
};

std::optional<Range> range_of(const CodeFacts& facts) {
  if (facts.weight == nullptr || facts.tensor->dtype != DType::kI8) return std::nullopt;
  const Scheme& scheme = facts.weight->scheme;
  if (scheme.element != Element::kInt || scheme.bits >= 8) return std::nullopt;
  // Only where a code has a byte of its own.
  if (element_count(facts.tensor->shape) !=
      static_cast<std::uint64_t>(facts.weight->rows * facts.weight->cols)) {
    return std::nullopt;
  }
  return Range{-(1 << (scheme.bits - 1)), (1 << (scheme.bits - 1)) - 1};
}

std::uint64_t count_outside(std::span<const std::byte> bytes, const Range& range) {
  std::uint64_t count = 0;
  for (const std::byte byte : bytes) {
    const int code = static_cast<signed char>(byte);
    count += code < range.lowest || code > range.highest;
  }
  return count;
}

bool is_constant(std::span<const std::byte> bytes) {
  return std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// What one chunk adds to its tensor.
struct Piece {
  std::uint64_t constant = 0;
  std::optional<std::uint8_t> byte;  // of the first constant block
  bool is_one_byte = true;
  std::uint64_t not_finite = 0;
  std::uint64_t out_of_range = 0;
};

Piece look_at(std::span<const std::byte> chunk, const CodeFacts& facts) {
  Piece piece;
  for (std::size_t at = 0; at < chunk.size(); at += CodeScan::kBlock) {
    const auto block =
        chunk.subspan(at, std::min<std::size_t>(CodeScan::kBlock, chunk.size() - at));
    const auto first = static_cast<std::uint8_t>(block.front());
    if (!is_constant(block)) {
      piece.is_one_byte = false;
      continue;
    }
    ++piece.constant;
    if (!piece.byte) piece.byte = first;
    piece.is_one_byte = piece.is_one_byte && *piece.byte == first;
  }
  if (const auto lanes = lanes_of(facts.tensor->dtype)) {
    piece.not_finite = count_not_finite(chunk, *lanes);
  }
  if (const auto range = range_of(facts)) piece.out_of_range = count_outside(chunk, *range);
  return piece;
}

void merge(const Piece& piece, bool is_first, CodeFacts& facts) {
  const bool same = facts.constant == 0 || !piece.byte || facts.byte == *piece.byte;
  facts.is_one_byte = piece.is_one_byte && (is_first || (facts.is_one_byte && same));
  if (facts.constant == 0 && piece.byte) facts.byte = *piece.byte;
  facts.constant += piece.constant;
  facts.not_finite += piece.not_finite;
  facts.out_of_range += piece.out_of_range;
}

std::vector<CodeFacts> tensors_of(const Checkpoint& checkpoint) {
  std::vector<CodeFacts> all;
  const auto add = [&](const TensorInfo& tensor, const Weight* weight) {
    if (tensor.bytes == 0 || !tensor.strides().empty()) return;
    all.push_back({.tensor = &tensor,
                   .weight = weight,
                   .blocks = (tensor.bytes + CodeScan::kBlock - 1) / CodeScan::kBlock});
  };
  for (const Weight& weight : checkpoint.weights()) {
    // The codes are by far the largest part; zero points are the same all over where the scheme is
    // symmetric.
    const auto codes = std::ranges::max_element(
        weight.parts, {}, [](const auto& part) { return part.second->bytes; });
    if (codes != weight.parts.end()) add(*codes->second, &weight);
  }
  for (const DenseTensor& dense : checkpoint.dense()) add(*dense.tensor, nullptr);
  // In the order of the files, so that the disk reads ahead.
  std::ranges::sort(all, [](const CodeFacts& a, const CodeFacts& b) {
    return std::pair(a.tensor->file, a.tensor->offset) <
           std::pair(b.tensor->file, b.tensor->offset);
  });
  return all;
}

// A chunk of a tensor, and what was found there.
struct Task {
  std::size_t tensor = 0;
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
};

// Threads take chunks from one queue, so that they read side by side in the same file; each tensor
// has a lock for its sums. Chunks of a tensor may be merged in any order but for its first byte.
class Scanner {
 public:
  Scanner(const Source& source, std::vector<CodeFacts>& all) : source_(source), all_(all) {}

  Result<void> run() {
    std::vector<std::optional<Error>> errors(static_cast<std::size_t>(thread_limit()));
    parallel_for(errors.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        auto done = or_out_of_memory([&] { return take_chunks(); });
        if (!done) errors[i] = std::move(done).error();
      }
    });
    for (auto& error : errors) {
      if (error) return *std::move(error);
    }
    return {};
  }

 private:
  std::optional<Task> next() {
    const std::scoped_lock lock(mutex_);
    if (tensor_ == all_.size()) return std::nullopt;
    const std::uint64_t size = all_[tensor_].tensor->bytes;
    const Task task{tensor_, begin_, std::min(kChunk, size - begin_)};
    begin_ += task.bytes;
    if (begin_ == size) {
      ++tensor_;
      begin_ = 0;
    }
    return task;
  }

  Result<void> take_chunks() {
    RQ_TRY(Buffer buffer, Buffer::allocate(kChunk));
    while (const auto task = next()) {
      CodeFacts& facts = all_[task->tensor];
      const auto chunk = buffer.span().first(task->bytes);
      auto read = source_.read_bytes(*facts.tensor, task->begin, chunk);
      if (!read) {
        const std::scoped_lock lock(mutex_);
        tensor_ = all_.size();  // the others stop too
        return read;
      }
      const Piece piece = look_at(chunk, facts);
      const std::scoped_lock lock(mutex_);
      merge(piece, !seen_[task->tensor], facts);
      seen_[task->tensor] = true;
    }
    return {};
  }

  const Source& source_;
  std::vector<CodeFacts>& all_;
  std::vector<bool> seen_ = std::vector<bool>(all_.size());
  std::mutex mutex_;
  std::size_t tensor_ = 0;  // that chunks are taken from
  std::uint64_t begin_ = 0;
};

}  // namespace

Result<CodeScan> CodeScan::read(const Checkpoint& checkpoint) {
  CodeScan scan;
  scan.all_ = tensors_of(checkpoint);
  for (const CodeFacts& facts : scan.all_) scan.bytes_ += facts.tensor->bytes;
  RQ_CHECK(Scanner(checkpoint.source(), scan.all_).run());
  return scan;
}

}  // namespace requant
