#include "plan/resume.h"

#include <fmt/format.h>

#include "base/text.h"
#include "plan/shard_sums.h"

namespace requant {
namespace {

void tell(const RunCalls& calls, const std::string& what) {
  if (calls.notice) calls.notice(what);
}

// The entries whose files are as they say.
Result<void> drop_damaged(const Plan& plan, const OutputFolder& folder, const RunCalls& calls,
                          const std::vector<TensorRecord>& records, Journal::Entries& entries) {
  std::vector<ShardSums> sums;
  std::map<std::string, std::uint32_t> shard_of;
  for (const auto& [shard, ignored] : entries.shards) {
    RQ_TRY(ShardSums one, shard_sums(plan, shard, records));
    shard_of.emplace(one.file, shard);
    sums.push_back(std::move(one));
  }
  RQ_TRY(const std::vector<Damage> damaged, find_damage(folder.staging(), sums));
  for (const Damage& damage : damaged) {
    if (entries.shards.erase(shard_of.at(damage.file)) == 0) continue;
    tell(calls, fmt::format("{} is made again: {}{}{}", damage.file, printable(damage.tensor),
                            damage.tensor.empty() ? "" : ": ", damage.what));
  }
  return {};
}

}  // namespace

Result<Resumed> resume(const Plan& plan, const Fingerprint& fingerprint, const OutputFolder& folder,
                       const RunCalls& calls, std::vector<TensorRecord>& records) {
  RQ_TRY(Journal::Entries entries, Journal::read(folder.journal(), fingerprint, plan));
  if (!entries.discarded.empty()) {
    tell(calls, "starting anew, what an earlier run left is not used: " + entries.discarded);
  }
  for (const auto& [shard, found] : entries.shards) {
    for (std::size_t i = 0; i < found.size(); ++i) {
      records[plan.shards[shard].outputs[i]] = found[i];
    }
  }
  RQ_CHECK(drop_damaged(plan, folder, calls, records, entries));
  std::vector<bool> kept(plan.shards.size(), false);
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  for (const auto& [shard, found] : entries.shards) {
    kept[shard] = true;
    names.push_back(plan.shards[shard].file);
    bytes += plan.shards[shard].bytes;
  }
  RQ_CHECK(folder.keep_only(names));
  RQ_TRY(Journal journal, Journal::begin(folder.journal(), fingerprint, plan, entries));
  if (!names.empty()) {
    tell(calls, fmt::format("going on: {} of {} weight files were complete", names.size(),
                            plan.shards.size()));
  }
  return Resumed{std::move(journal), std::move(kept), bytes};
}

}  // namespace requant
