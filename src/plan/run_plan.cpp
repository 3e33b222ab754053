#include "plan/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/signals.h"
#include "base/text.h"
#include "base/threads.h"
#include "plan/job.h"
#include "plan/read_back.h"
#include "plan/receipt.h"

namespace requant {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(100);

// One weight, one tensor that is copied, or weights that are put together from rows of others.
struct Job {
  const WeightStep* weight = nullptr;
  const CopyStep* copy = nullptr;
  const RegroupJob* regroup = nullptr;
  std::uint32_t shard = 0;
  std::uint64_t bytes = 0;
};

void add_outputs(const Plan& plan, const WeightStep& step, Job& job) {
  for (const auto& [suffix, output] : step.outputs) {
    job.shard = std::min(job.shard, plan.outputs[output].shard);
    job.bytes += plan.outputs[output].tensor->bytes;
  }
}

// Shard after shard; within one the largest first, so that no thread is left alone with a large one
// at the end.
std::vector<Job> jobs_of(const Plan& plan) {
  std::vector<Job> jobs;
  for (const WeightStep& step : plan.weights) {
    if (step.regrouped != nullptr) continue;
    Job job{.weight = &step, .shard = UINT32_MAX};
    add_outputs(plan, step, job);
    jobs.push_back(job);
  }
  for (const RegroupJob& regroup : plan.regrouping.jobs) {
    Job job{.regroup = &regroup, .shard = UINT32_MAX};
    for (const RegroupRound& round : regroup.rounds) {
      for (const AssembledMatrix& matrix : round.results) {
        add_outputs(plan, plan.weights[plan.regrouping.results[matrix.result].step], job);
      }
    }
    jobs.push_back(job);
  }
  for (const CopyStep& step : plan.copies) {
    const OutputTensor& output = plan.outputs[step.output];
    jobs.push_back({.copy = &step, .shard = output.shard, .bytes = output.tensor->bytes});
  }
  std::ranges::stable_sort(jobs, [](const Job& a, const Job& b) {
    return a.shard != b.shard ? a.shard < b.shard : a.bytes > b.bytes;
  });
  return jobs;
}

Result<void> run_job(Run& run, const Job& job, std::span<std::byte> space) {
  if (job.weight != nullptr) return run_weight(run, *job.weight, space);
  if (job.regroup != nullptr) return run_regroup(run, *job.regroup);
  return copy_tensor(run, *job.copy->tensor, job.copy->output, space);
}

// Threads that take one job after the other.
class Workers {
 public:
  Workers(Run& run, std::vector<Job> jobs) : run_(run), jobs_(std::move(jobs)) {}

  Result<void> run(const ProgressCall& progress) {
    std::vector<std::jthread> threads;
    const int count = thread_limit() + kWaitingThreads;
    running_ = count;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([this] { work(); });
    }
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kProgressInterval, [&] { return running_ == 0; })) {
      if (progress) progress(run_.done, run_.plan.output_bytes);
    }
    lock.unlock();
    threads.clear();
    if (failure_) return *failure_;
    return {};
  }

 private:
  void work() {
    auto space = Buffer::allocate(kChunkBytes);
    if (!space) fail(space.error());
    while (space && !run_.stopped) {
      const std::size_t next = next_++;
      if (next >= jobs_.size()) break;
      const auto done = or_out_of_memory([&] { return run_job(run_, jobs_[next], space->span()); });
      if (!done) fail(done.error());
    }
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }

  // The first error counts: those of other threads only say that they were stopped.
  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
    run_.stopped = true;
  }

  Run& run_;
  std::vector<Job> jobs_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  int running_ = 0;
  std::optional<Error> failure_;
};

void add_to_summary(const LossTaken& taken, const std::string& module,
                    std::vector<LossSummary>& losses) {
  auto found = std::ranges::find(losses, taken.loss, &LossSummary::loss);
  if (found == losses.end()) {
    losses.push_back({.loss = taken.loss, .worst = module});
    found = losses.end() - 1;
  }
  ++found->weights;
  found->codes += taken.codes;
  found->scales += taken.scales;
  if (taken.max_relative <= found->max_relative) return;
  found->max_relative = taken.max_relative;
  found->worst = module;
}

// Losses of weights, and of tensors that were left out. What was not quantised before loses nothing
// that was asked for.
void summarise_losses(const Plan& plan, RunReport& report) {
  for (const WeightStep& step : plan.weights) {
    if (step.weight->scheme.is_dense()) continue;
    for (const LossTaken& taken : report.tensors[step.outputs.front().second].losses) {
      add_to_summary(taken, step.weight->module, report.losses);
    }
  }
  for (const PlannedLoss& planned : plan.loss_list) {
    const bool told =
        std::ranges::find(report.losses, planned.loss, &LossSummary::loss) != report.losses.end();
    if (!planned.certain || told) continue;
    report.losses.push_back(
        {.loss = planned.loss, .weights = planned.weights, .worst = planned.first});
  }
  std::ranges::sort(report.losses, {}, &LossSummary::loss);
}

Result<void> write_weights(const Checkpoint& checkpoint, const Plan& plan,
                           const OutputFolder& folder, const ProgressCall& progress,
                           RunReport& report) {
  ShardSet shards(plan, folder.staging());
  ByteBudget budget(kTranscodeBudget);
  report.tensors.resize(plan.outputs.size());
  Run run{.checkpoint = checkpoint,
          .plan = plan,
          .shards = shards,
          .budget = budget,
          .records = report.tensors};
  RQ_CHECK(Workers(run, jobs_of(plan)).run(progress));
  if (progress) progress(plan.output_bytes, plan.output_bytes);
  RQ_CHECK(shards.finish());
  for (const WeightStep& step : plan.weights) {
    const bool repaired = !report.tensors[step.outputs.front().second].repaired_rows.empty();
    report.repaired_weights += repaired ? 1 : 0;
  }
  summarise_losses(plan, report);
  return {};
}

Result<void> write_text(const OutputFolder& folder, const std::string& name,
                        const std::string& text, RunReport& report) {
  RQ_CHECK(folder.write(name, bytes_of(text)));
  report.files.push_back({name, sha256_hex(bytes_of(text))});
  return {};
}

Result<void> copy_file(const OutputFolder& folder, const SideFile& file, RunReport& report) {
  RQ_CHECK(folder.copy(file.from, file.name));
  RQ_TRY(const File copied, File::open(folder.staging() / file.name));
  RQ_TRY(const Bytes bytes, copied.read_at(0, copied.size()));
  report.files.push_back({file.name, sha256_hex(bytes.span())});
  return {};
}

// An unchanged config.json is the same bytes, a changed one spelt as the source spells it.
Result<std::string> config_text(const Checkpoint& checkpoint, const Plan& plan) {
  if (!plan.config_changes) {
    RQ_TRY(const Bytes bytes,
           read_small_file(checkpoint.root() / "config.json", JsonLimits().bytes));
    return std::string(bytes.text());
  }
  return plan.config.dump(2, checkpoint.config_is_ascii()) + "\n";
}

Result<void> write_files(const Checkpoint& checkpoint, const Plan& plan, const OutputFolder& folder,
                         RunReport& report) {
  for (const SideFile& file : plan.files) {
    if (interrupted()) return interruption();
    if (file.action == FileAction::kCopy) RQ_CHECK(copy_file(folder, file, report));
    if (file.action == FileAction::kWrite) {
      const bool waits = file.content_of != nullptr;
      RQ_CHECK(write_text(folder, file.name, waits ? file.content_of(plan) : file.content, report));
    }
  }
  RQ_TRY(const std::string config, config_text(checkpoint, plan));
  RQ_TRY(const std::string card, model_card(checkpoint, plan, report));
  RQ_CHECK(write_text(folder, "README.md", card, report));
  report.files.push_back({"config.json", sha256_hex(bytes_of(config))});
  std::ranges::sort(report.files, {}, &FileRecord::name);
  RQ_CHECK(folder.write(kReceiptName, bytes_of(receipt(checkpoint, plan, report))));
  if (interrupted()) return interruption();
  return folder.write("config.json", bytes_of(config));
}

}  // namespace

Result<RunReport> run_plan(const Checkpoint& checkpoint, const Plan& plan,
                           const OutputFolder& folder, const ProgressCall& progress) {
  RunReport report;
  RQ_CHECK(write_weights(checkpoint, plan, folder, progress, report));
  RQ_CHECK(write_files(checkpoint, plan, folder, report));
  RQ_CHECK(check_read_back(checkpoint, plan, folder.staging()));
  if (interrupted()) return interruption();
  return report;
}

}  // namespace requant
