#include "plan/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/signals.h"
#include "base/text.h"
#include "base/threads.h"
#include "base/threads_start.h"
#include "plan/job.h"
#include "plan/journal.h"
#include "plan/output_files.h"
#include "plan/read_back.h"
#include "plan/receipt.h"
#include "plan/resume.h"

namespace requant {
namespace {

// Beside weights: headers, side files, the receipt.
constexpr std::uint64_t kSpareBytes = std::uint64_t{16} << 20;

constexpr auto kProgressInterval = std::chrono::milliseconds(100);

// One weight, one tensor that is copied, or weights that are put together from rows of others.
struct Job {
  const WeightStep* weight = nullptr;
  const CopyStep* copy = nullptr;
  const RegroupJob* regroup = nullptr;
  std::uint32_t shard = 0;
  std::uint64_t bytes = 0;
};

// Calls `call` with every output that the job writes.
template <class Call>
void for_each_output(const Plan& plan, const Job& job, const Call& call) {
  if (job.copy != nullptr) call(job.copy->output);
  const auto each_of = [&](const WeightStep& step) {
    for (const auto& [suffix, output] : step.outputs) call(output);
  };
  if (job.weight != nullptr) each_of(*job.weight);
  if (job.regroup == nullptr) return;
  for (const RegroupRound& round : job.regroup->rounds) {
    for (const AssembledMatrix& matrix : round.results) {
      each_of(plan.weights[plan.regrouping.results[matrix.result].step]);
    }
  }
}

std::vector<std::uint32_t> shards_of(const Plan& plan, const Job& job) {
  std::vector<std::uint32_t> shards;
  for_each_output(plan, job, [&](std::uint32_t output) {
    const std::uint32_t shard = plan.outputs[output].shard;
    if (std::ranges::find(shards, shard) == shards.end()) shards.push_back(shard);
  });
  return shards;
}

// The first shard that the job writes to, and the bytes that it writes.
Job measured(const Plan& plan, Job job) {
  job.shard = UINT32_MAX;
  for_each_output(plan, job, [&](std::uint32_t output) {
    job.shard = std::min(job.shard, plan.outputs[output].shard);
    job.bytes += plan.outputs[output].tensor->bytes;
  });
  return job;
}

// Shard after shard; within one the largest first, so that no thread is left alone with a large one
// at the end.
std::vector<Job> jobs_of(const Plan& plan) {
  std::vector<Job> jobs;
  for (const WeightStep& step : plan.weights) {
    if (step.regrouped == nullptr) jobs.push_back(measured(plan, {.weight = &step}));
  }
  for (const RegroupJob& regroup : plan.regrouping.jobs) {
    jobs.push_back(measured(plan, {.regroup = &regroup}));
  }
  for (const CopyStep& step : plan.copies) jobs.push_back(measured(plan, {.copy = &step}));
  std::ranges::stable_sort(jobs, [](const Job& a, const Job& b) {
    return a.shard != b.shard ? a.shard < b.shard : a.bytes > b.bytes;
  });
  return jobs;
}

Result<void> write_job(Run& run, const Job& job, std::span<std::byte> space) {
  if (job.weight != nullptr) return run_weight(run, *job.weight, space);
  if (job.regroup != nullptr) return run_regroup(run, *job.regroup);
  const CopyStep& copy = *job.copy;
  if (run.plan.outputs[copy.output].kind == StepKind::kWiden) {
    RQ_CHECK_IN(widen_tensor(run, *copy.tensor, copy.output), printable(copy.tensor->name));
    return {};
  }
  return copy_tensor(run, *copy.tensor, copy.output, space);
}

// Without those that would only write what is there already. One that has to run again makes all
// its records again. The rest is announced to the shards.
std::vector<Job> jobs_left(const Plan& plan, ShardSet& shards, std::vector<TensorRecord>& records) {
  std::vector<Job> jobs = jobs_of(plan);
  std::erase_if(jobs, [&](const Job& job) {
    const auto written = shards_of(plan, job);
    if (std::ranges::all_of(written, [&](std::uint32_t shard) { return shards.keeps(shard); })) {
      return true;
    }
    for (const std::uint32_t shard : written) shards.expect_job(shard);
    for_each_output(plan, job, [&](std::uint32_t output) { records[output] = {}; });
    return false;
  });
  return jobs;
}

Result<void> run_job(Run& run, const Job& job, std::span<std::byte> space) {
  RQ_CHECK(write_job(run, job, space));
  for (const std::uint32_t shard : shards_of(run.plan, job)) run.shards.job_done(shard);
  return {};
}

// Threads that take one job after the other.
class Workers {
 public:
  Workers(Run& run, std::vector<Job> jobs) : run_(run), jobs_(std::move(jobs)) {}

  Result<void> run(const ProgressCall& progress) {
    const int count = thread_limit() + kWaitingThreads;
    running_ = count;
    const std::function<void()> body = [this] { work(); };
    std::vector<std::jthread> threads = start_threads(count, body);
    if (threads.empty()) return resource("no thread can be started");
    std::unique_lock lock(mutex_);
    running_ -= count - static_cast<int>(threads.size());  // fewer do the work of all
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
    auto space = or_out_of_memory([] { return Buffer::allocate(kChunkBytes); });
    if (!space) fail(std::move(space).error());
    while (!run_.stopped) {
      const std::size_t next = next_++;
      if (next >= jobs_.size()) break;
      auto done = or_out_of_memory([&] { return run_job(run_, jobs_[next], space->span()); });
      if (!done) fail(std::move(done).error());
    }
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }

  // The first error counts: those of other threads only say that they were stopped.
  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_.emplace(std::move(error));
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

class Execution {
 public:
  Execution(const Checkpoint& checkpoint, const Plan& plan, const OutputFolder& folder,
            const RunCalls& calls)
      : checkpoint_(checkpoint), plan_(plan), folder_(folder), calls_(calls) {}

  std::size_t safe_shards() const { return journal_ ? journal_->shards() : 0; }

  Result<RunReport> run() {
    RQ_CHECK(write_weights());
    summarise(plan_, report_);
    RQ_CHECK(write_files());
    RQ_CHECK(check_read_back(checkpoint_, plan_, folder_.staging()));
    if (interrupted()) return interruption();
    return std::move(report_);
  }

 private:
  Result<void> write_weights() {
    report_.tensors.resize(plan_.outputs.size());
    RQ_TRY(Resumed resumed, resume(plan_, fingerprint_of(checkpoint_, plan_, calls_.options),
                                   folder_, calls_, report_.tensors));
    journal_.emplace(std::move(resumed.journal));
    RQ_CHECK(folder_.require_space(plan_.output_bytes - resumed.bytes + kSpareBytes));
    ShardSet shards(plan_, folder_.staging(), std::move(resumed.shards), [&](std::uint32_t shard) {
      return journal_->add(plan_, shard, report_.tensors);
    });
    ByteBudget budget(kTranscodeBudget);
    Run run{.checkpoint = checkpoint_,
            .plan = plan_,
            .shards = shards,
            .budget = budget,
            .records = report_.tensors,
            .done = resumed.bytes};
    RQ_CHECK(Workers(run, jobs_left(plan_, shards, report_.tensors)).run(calls_.progress));
    if (calls_.progress) calls_.progress(plan_.output_bytes, plan_.output_bytes);
    return shards.finish();
  }

  // The receipt before config.json, without which no engine takes the folder for a model.
  Result<void> write_files() {
    const auto write = [&](const OutputFile& file) -> Result<std::string> {
      if (interrupted()) return interruption();
      if (!file.from.empty()) return folder_.copy(file.from, file.name);
      RQ_CHECK(folder_.write(file.name, bytes_of(file.text)));
      return sha256_hex(bytes_of(file.text));
    };
    RQ_CHECK(for_each_file(checkpoint_, plan_, report_, write));
    std::string config;
    if (plan_.has_config()) {
      RQ_TRY(config, config_text(checkpoint_, plan_));
      add_file(report_, {"config.json", sha256_hex(bytes_of(config))});
    }
    RQ_TRY(const std::string text, receipt(checkpoint_, plan_, report_));
    RQ_CHECK(folder_.write(kReceiptName, bytes_of(text)));
    if (interrupted()) return interruption();
    if (!plan_.has_config()) return {};
    return folder_.write("config.json", bytes_of(config));
  }

  const Checkpoint& checkpoint_;
  const Plan& plan_;
  const OutputFolder& folder_;
  const RunCalls& calls_;
  std::optional<Journal> journal_;
  RunReport report_;
};

// Whether the same run may succeed another time.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::kResource || code == ErrorCode::kInterrupted;
}

}  // namespace

Result<RunReport> run_plan(const Checkpoint& checkpoint, const Plan& plan, OutputFolder& folder,
                           const RunCalls& calls) {
  Execution execution(checkpoint, plan, folder, calls);
  auto done = or_out_of_memory([&] { return execution.run(); });
  if (done || !may_pass(done.error().code()) || execution.safe_shards() == 0) return done;
  folder.leave_for_next_run();
  const bool signalled = done.error().code() == ErrorCode::kInterrupted;
  return Error(done.error().code(),
               fmt::format("{}; {} of {} weight files are complete and kept, the same command goes "
                           "on from there",
                           signalled ? "interrupted" : done.error().message(),
                           execution.safe_shards(), plan.shards.size()));
}

}  // namespace requant
