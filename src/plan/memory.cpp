#include "plan/memory.h"

#include <algorithm>

namespace requant {
namespace {

constexpr std::uint64_t kProgramBytes = std::uint64_t{32} << 20;
constexpr std::uint64_t kBytesPerTensor = 2048;  // its names, places and records

std::uint64_t elements(std::int64_t rows, std::int64_t cols) {
  return static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(cols);
}

std::uint64_t stored_bytes(const Weight& weight) {
  std::uint64_t bytes = 0;
  for (const auto& [suffix, info] : weight.parts) bytes += info->bytes;
  return bytes;
}

}  // namespace

std::uint64_t transcode_bytes(const Plan& plan, const WeightStep& step) {
  const Weight& weight = *step.weight;
  const auto codes =
      static_cast<std::uint64_t>(weight.rows) * static_cast<std::uint64_t>(weight.cols);
  std::uint64_t bytes = stored_bytes(weight) + codes;
  for (const auto& [suffix, output] : step.outputs) bytes += plan.outputs[output].tensor->bytes;
  const Chain& chain = plan.routes[step.route].chain;
  const bool in_floats = (chain.requantises && !weight.scheme.is_dense()) ||
                         chain.applies_multiplier || chain.possible.has(Loss::kRequantise);
  const bool keeps_both = !chain.losses.empty() || !chain.possible.empty();
  return bytes + codes * (keeps_both ? 2 : 1) + (in_floats ? codes * sizeof(float) : 0);
}

std::uint64_t regroup_bytes(const Plan& plan, const RegroupJob& job) {
  std::uint64_t largest = 0;
  for (const RegroupRound& round : job.rounds) {
    std::uint64_t bytes = 0;
    for (const StoredMatrix& source : round.sources) {
      const WeightForm form = form_of(source);
      bytes += stored_bytes(source) + elements(form.rows, form.cols);
    }
    std::uint64_t result_bytes = 0;
    for (const AssembledMatrix& matrix : round.results) {
      const Regrouped& result = plan.regrouping.results[matrix.result];
      const WeightStep& step = plan.weights[result.step];
      std::uint64_t own = 3 * elements(matrix.assembly.rows, matrix.assembly.cols);
      for (const auto& [suffix, output] : step.outputs) {
        own +=
            2 * plan.outputs[output].tensor->bytes / static_cast<std::uint64_t>(result.matrices());
      }
      const Chain& chain = plan.routes[step.route].chain;
      if (chain.requantises)
        own += sizeof(float) * elements(matrix.assembly.rows, matrix.assembly.cols);
      result_bytes = std::max(result_bytes, own);
    }
    largest = std::max(largest, bytes + result_bytes);
  }
  return largest;
}

std::uint64_t peak_memory(const Plan& plan, int threads) {
  std::uint64_t largest = 0;
  std::uint64_t all = 0;
  for (const RegroupJob& job : plan.regrouping.jobs) {
    largest = std::max(largest, regroup_bytes(plan, job));
    all += regroup_bytes(plan, job);
  }
  for (const WeightStep& step : plan.weights) {
    if (step.regrouped != nullptr) continue;
    const bool never_decoded = !plan.routes[step.route].carried.empty() &&
                               !plan.routes[step.route].chain.repairs_zero_rows;
    if (never_decoded) continue;
    largest = std::max(largest, transcode_bytes(plan, step));
    all += transcode_bytes(plan, step);
  }
  const std::uint64_t chunks = static_cast<std::uint64_t>(threads + kWaitingThreads) * kChunkBytes;
  const std::uint64_t decoded = std::max(largest, std::min(all, kTranscodeBudget));
  return kProgramBytes + plan.outputs.size() * kBytesPerTensor + chunks + decoded;
}

void ByteBudget::take(std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return used_ == 0 || used_ + bytes <= bytes_; });
  used_ += bytes;
}

void ByteBudget::give_back(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ -= bytes;
  freed_.notify_all();
}

}  // namespace requant
