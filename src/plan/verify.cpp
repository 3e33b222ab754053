#include "plan/verify.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "base/signals.h"
#include "base/text.h"
#include "base/threads.h"
#include "plan/config_edit.h"
#include "plan/memory.h"
#include "plan/verify_pair.h"

namespace requant {
namespace {

constexpr auto kStatusNames =
    std::to_array<std::string_view>({"exact", "rounded", "repaired", "padded", "tied", "differs",
                                     "only-in-first", "only-in-second"});

struct Pair : SidePair {
  std::string name;
  const TensorInfo* tied_to = nullptr;  // of the side that leaves the output layer out
};

// The embedding that stands for an output layer which a checkpoint leaves out.
const TensorInfo* embedding_of(const Checkpoint& checkpoint) {
  if (!ties_embeddings(checkpoint.config(), checkpoint.architecture())) return nullptr;
  for (const DenseTensor& tensor : checkpoint.dense()) {
    const bool fits = tensor.is_weight && tensor.place.role == Role::kEmbedding &&
                      tensor.place.tower == Tower::kLanguage;
    if (fits) return tensor.tensor;
  }
  return nullptr;
}

bool is_lm_head(const VerifySide& side) {
  return side.dense != nullptr && side.dense->is_weight && side.dense->place.role == Role::kLmHead;
}

std::vector<Pair> pairs_of(const Checkpoint& first, const Checkpoint& second, VerifySides& sides) {
  std::vector<Pair> list;
  for (auto& [name, found] : sides.take_pairs()) {
    Pair pair;
    static_cast<SidePair&>(pair) = found;
    pair.name = name;
    if (!pair.a.present() && is_lm_head(pair.b)) pair.tied_to = embedding_of(first);
    if (!pair.b.present() && is_lm_head(pair.a)) pair.tied_to = embedding_of(second);
    list.push_back(std::move(pair));
  }
  std::ranges::sort(list,
                    [](const Pair& x, const Pair& y) { return natural_less(x.name, y.name); });
  return list;
}

std::uint64_t bytes_of_side(const VerifySide& side) {
  if (side.view != nullptr) return stored_bytes(side.view->matrix);
  std::uint64_t bytes = side.dense != nullptr ? side.dense->tensor->bytes : 0;
  if (side.weight == nullptr) return bytes;
  for (const auto& [suffix, info] : side.weight->parts) bytes += info->bytes;
  return bytes;
}

// What decoding both sides and comparing them may take.
std::uint64_t memory_of(const Pair& pair) {
  std::uint64_t bytes = 4 * kChunkBytes;
  for (const VerifySide* side : {&pair.a, &pair.b}) {
    if (side->weight == nullptr && side->view == nullptr) continue;
    const Weight& weight = side->quantised();
    bytes += bytes_of_side(*side) + static_cast<std::uint64_t>(weight.rows * weight.cols);
    if (side->view == nullptr) continue;
    const WeightForm form = form_of(side->view->matrix);
    bytes += static_cast<std::uint64_t>(form.rows * form.cols);
  }
  return bytes;
}

PairReport one_sided(PairStatus status) {
  PairReport report;
  report.status = status;
  return report;
}

class Verifier {
 public:
  Verifier(const Checkpoint& first, const Checkpoint& second)
      : first_(first),
        second_(second),
        sides_(first, second),
        pairs_(pairs_of(first, second, sides_)),
        reports_(pairs_.size()),
        budget_(kTranscodeBudget) {
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      order_.push_back(i);
      total_ += size_of(pairs_[i]);
    }
    std::ranges::stable_sort(order_, [&](std::size_t x, std::size_t y) {
      return size_of(pairs_[x]) > size_of(pairs_[y]);
    });
  }

  Result<std::vector<PairReport>> run(const ProgressCall& progress) {
    {
      std::vector<std::jthread> threads;
      for (int i = 1; i < thread_limit(); ++i) threads.emplace_back([this] { work({}); });
      work(progress);
    }
    if (failure_) return *failure_;
    for (std::size_t i = 0; i < pairs_.size(); ++i) reports_[i].name = pairs_[i].name;
    return std::move(reports_);
  }

 private:
  static std::uint64_t size_of(const Pair& pair) {
    return bytes_of_side(pair.a) + bytes_of_side(pair.b);
  }

  void work(const ProgressCall& progress) {
    while (!stopped_) {
      const std::size_t next = next_++;
      if (next >= order_.size()) return;
      const Pair& pair = pairs_[order_[next]];
      if (interrupted()) {
        fail(interruption());
      } else if (auto report = or_out_of_memory([&] { return compare_pair(pair); }); report) {
        reports_[order_[next]] = *std::move(report);
      } else {
        fail(std::move(report).error().within(printable(pair.name)));
      }
      done_ += size_of(pair);
      if (progress) progress(done_, total_);
    }
  }

  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(error);
    stopped_ = true;
  }

  Result<PairReport> compare_pair(const Pair& pair) {
    const ByteBudget::Share share(budget_, memory_of(pair));
    if (pair.tied_to != nullptr) return compare_tied(pair);
    if (!pair.a.present()) return one_sided(PairStatus::kOnlyInSecond);
    if (!pair.b.present()) return one_sided(PairStatus::kOnlyInFirst);
    RQ_TRY(PairReport report, compare_sides(pair.a, pair.b));
    if (pair.padded && is_match(report.status)) report.status = PairStatus::kPadded;
    return report;
  }

  Result<PairReport> compare_sides(const VerifySide& a, const VerifySide& b) {
    if (a.is_quantised() && b.is_quantised()) {
      return compare_weights(weight_of(first_, a), weight_of(second_, b));
    }
    if (a.is_quantised()) {
      return compare_decoded(weight_of(first_, a), tensor_of(second_, b), true);
    }
    if (b.is_quantised()) {
      return compare_decoded(weight_of(second_, b), tensor_of(first_, a), false);
    }
    return compare_tensors(tensor_of(first_, a), tensor_of(second_, b));
  }

  static WeightSide weight_of(const Checkpoint& checkpoint, const VerifySide& side) {
    return {&checkpoint, &side.quantised(), side.view};
  }
  static TensorSide tensor_of(const Checkpoint& checkpoint, const VerifySide& side) {
    return {&checkpoint, &side.tensor(), side.view};
  }

  Result<PairReport> compare_tied(const Pair& pair) {
    const TensorSide a{&first_, pair.a.present() ? pair.a.dense->tensor : pair.tied_to, nullptr};
    const TensorSide b{&second_, pair.b.present() ? pair.b.dense->tensor : pair.tied_to, nullptr};
    RQ_TRY(PairReport report, compare_tensors(a, b));
    if (report.status == PairStatus::kExact) report.status = PairStatus::kTied;
    return report;
  }

  const Checkpoint& first_;
  const Checkpoint& second_;
  VerifySides sides_;
  std::vector<Pair> pairs_;
  std::vector<PairReport> reports_;
  std::vector<std::size_t> order_;  // the largest first
  ByteBudget budget_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::optional<Error> failure_;
};

}  // namespace

std::string_view name_of(PairStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

bool is_match(PairStatus status) {
  return status == PairStatus::kExact || status == PairStatus::kRounded ||
         status == PairStatus::kRepaired || status == PairStatus::kPadded ||
         status == PairStatus::kTied;
}

Result<std::vector<PairReport>> verify(const Checkpoint& first, const Checkpoint& second,
                                       const ProgressCall& progress) {
  return Verifier(first, second).run(progress);
}

}  // namespace requant
