#include <algorithm>
#include <atomic>
#include <set>

#include "base/hash.h"
#include "base/hash_file.h"
#include "base/signals.h"
#include "base/text.h"
#include "base/threads.h"
#include "plan/output_files.h"
#include "plan/receipt.h"
#include "plan/shard_sums.h"

namespace requant {
namespace fs = std::filesystem;
namespace {

Result<void> unless_interrupted(std::span<const std::byte>) {
  if (interrupted()) return interruption();
  return {};
}

Result<std::string> sha256_of(const fs::path& path) {
  RQ_TRY(const File file, File::open(path));
  return sha256_hex(file, 0, file.size(), unless_interrupted);
}

Result<std::string> sha256_of(const Source& source, const TensorInfo& tensor) {
  if (tensor.strides().empty()) {
    return sha256_hex(source.files()[tensor.file], tensor.offset, tensor.bytes, unless_interrupted);
  }
  RQ_TRY(const Tensor whole, source.read(tensor));
  return sha256_hex(whole.bytes.span());
}

// The hash of each source as the records state it; nothing where one does not, or two differ.
std::optional<std::map<const TensorInfo*, std::string>> stated_sources(
    const Plan& plan, const std::vector<TensorRecord>& records) {
  std::map<const TensorInfo*, std::string> stated;
  for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
    const auto& sources = plan.outputs[i].sources;
    if (records[i].source_sha256.size() != sources.size()) return std::nullopt;
    for (std::size_t k = 0; k < sources.size(); ++k) {
      const std::string& sha256 = records[i].source_sha256[k];
      const auto [entry, is_new] = stated.emplace(sources[k], sha256);
      if (!is_new && entry->second != sha256) return std::nullopt;
    }
  }
  return stated;
}

Result<bool> sources_are(const Source& source,
                         const std::map<const TensorInfo*, std::string>& stated) {
  std::vector<std::pair<const TensorInfo*, std::string_view>> all(stated.begin(), stated.end());
  std::atomic<bool> same = true;
  RQ_CHECK(for_each_parallel(all.size(), [&](std::size_t i) -> Result<void> {
    if (!same) return {};
    RQ_TRY(const std::string found, sha256_of(source, *all[i].first));
    if (found != all[i].second) same = false;
    return {};
  }));
  return same.load();
}

// The records of the receipt's tensors, where they are as many as the plan's.
std::optional<std::vector<TensorRecord>> records_in(const Json& receipt, const Plan& plan) {
  const Json* tensors = receipt.find("tensors");
  if (tensors == nullptr || tensors->items().size() != plan.outputs.size()) return std::nullopt;
  std::vector<TensorRecord> records;
  for (const Json& tensor : tensors->items()) {
    auto record = record_of(tensor);
    if (!record) return std::nullopt;
    records.push_back(*std::move(record));
  }
  return records;
}

// Whether the files beside the weights, the receipt among them, are those that would be written.
Result<bool> files_are(const Checkpoint& checkpoint, const Plan& plan, const fs::path& result,
                       std::string_view receipt_text, RunReport& report) {
  RQ_CHECK(
      for_each_file(checkpoint, plan, report, [&](const OutputFile& file) -> Result<std::string> {
        if (!file.from.empty()) return sha256_of(file.from);
        return sha256_hex(bytes_of(file.text));
      }));
  if (plan.has_config()) {
    RQ_TRY(const std::string config, config_text(checkpoint, plan));
    add_file(report, {"config.json", sha256_hex(bytes_of(config))});
  }
  RQ_TRY(const std::string expected, receipt(checkpoint, plan, report));
  if (expected != receipt_text) return false;
  for (const FileRecord& file : report.files) {
    const auto found = sha256_of(result / file.name);
    if (!found || *found != file.sha256) return false;
  }
  return true;
}

Result<bool> shards_are(const Plan& plan, const fs::path& result, const RunReport& report) {
  std::vector<ShardSums> sums;
  for (std::uint32_t i = 0; i < plan.shards.size(); ++i) {
    RQ_TRY(ShardSums one, shard_sums(plan, i, report.tensors));
    sums.push_back(std::move(one));
  }
  RQ_TRY(const std::vector<Damage> damage, find_damage(result, sums));
  return damage.empty();
}

}  // namespace

Result<std::optional<RunReport>> find_result(const Checkpoint& checkpoint, const Plan& plan,
                                             const fs::path& result) {
  const auto none = std::optional<RunReport>();
  RQ_TRY(const Bytes bytes, read_small_file(result / kReceiptName, kMaxReceiptBytes));
  const auto json = parse_json(bytes.text(), {.bytes = kMaxReceiptBytes});
  if (!json) return none;
  RunReport report;
  auto records = records_in(*json, plan);
  if (!records) return none;
  report.tensors = *std::move(records);
  report.was_there = true;
  summarise(plan, report);
  const auto stated = stated_sources(plan, report.tensors);
  if (!stated) return none;
  RQ_TRY(const bool same_files, files_are(checkpoint, plan, result, bytes.text(), report));
  if (!same_files) return none;
  RQ_TRY(const bool same_shards, shards_are(plan, result, report));
  if (!same_shards) return none;
  RQ_TRY(const bool same_sources, sources_are(checkpoint.source(), *stated));
  return same_sources ? std::optional(std::move(report)) : none;
}

}  // namespace requant
