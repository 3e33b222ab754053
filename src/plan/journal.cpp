#include "plan/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/bytes.h"
#include "base/descriptor_io.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_at.h"
#include "base/text.h"
#include "plan/receipt.h"

namespace requant {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSchema = "requant/journal/1";
constexpr std::uint64_t kMaxBytes = std::uint64_t{4} << 30;
constexpr std::size_t kHexDigits = 64;

Json head_of(const Fingerprint& fingerprint) {
  return Json::object({{"schema", kSchema},
                       {"program", fingerprint.program},
                       {"options", fingerprint.options},
                       {"source", fingerprint.source},
                       {"plan", fingerprint.plan}});
}

Fingerprint fingerprint_in(const Json& head) {
  return {text_at(head, "program"), text_at(head, "options"), text_at(head, "source"),
          text_at(head, "plan")};
}

std::string_view what_changed(const Fingerprint& before, const Fingerprint& now) {
  if (before.program != now.program) return "another build of requant wrote it";
  if (before.source != now.source) return "the source has changed since";
  if (before.options != now.options) return "it was for other options";
  return "it was for another plan";
}

// The next whole line of `text`, checked, as JSON; nothing at the end of what can be trusted.
std::optional<Json> next_entry(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || end <= kHexDigits) return std::nullopt;
  const std::string_view sum = text.substr(0, kHexDigits);
  const std::string_view rest = text.substr(kHexDigits + 1, end - kHexDigits - 1);
  if (sha256_hex(bytes_of(rest)) != sum) return std::nullopt;
  text.remove_prefix(end + 1);
  auto entry = parse_json(rest, {.bytes = kMaxBytes});
  return entry ? std::optional(*std::move(entry)) : std::nullopt;
}

// The shard that an entry is about, and its records; nothing where it is not the plan's.
std::optional<std::pair<std::uint32_t, std::vector<TensorRecord>>> shard_of(const Json& entry,
                                                                            const Plan& plan) {
  const Json* number = entry.find("shard");
  const Json* tensors = entry.find("tensors");
  const auto shard = number == nullptr ? std::nullopt : number->as_uint();
  if (!shard || *shard >= plan.shards.size() || tensors == nullptr ||
      tensors->items().size() != plan.shards[*shard].outputs.size()) {
    return std::nullopt;
  }
  std::vector<TensorRecord> records;
  for (const Json& tensor : tensors->items()) {
    auto record = record_of(tensor);
    if (!record) return std::nullopt;
    records.push_back(*std::move(record));
  }
  return std::pair(static_cast<std::uint32_t>(*shard), std::move(records));
}

template <class RecordOf>
Json shard_entry(const Plan& plan, std::uint32_t shard, const RecordOf& record_of_place) {
  Json tensors = Json::array();
  const auto& outputs = plan.shards[shard].outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    tensors.append(tensor_json(plan, plan.outputs[outputs[i]], record_of_place(i)));
  }
  Json entry = Json::object();
  entry.set("shard", std::uint64_t{shard});
  entry.set("tensors", std::move(tensors));
  return entry;
}

}  // namespace

Result<Journal::Entries> Journal::read(const fs::path& path, const Fingerprint& fingerprint,
                                       const Plan& plan) {
  Entries entries;
  std::error_code failed;
  if (fs::symlink_status(path, failed).type() == fs::file_type::not_found) return entries;
  RQ_TRY(const Bytes bytes, read_small_file(path, kMaxBytes));
  std::string_view text = bytes.text();
  const auto head = next_entry(text);
  if (!head || text_at(*head, "schema") != kSchema) {
    entries.discarded = "its journal cannot be read";
    return entries;
  }
  const Fingerprint before = fingerprint_in(*head);
  if (before != fingerprint) {
    entries.discarded = what_changed(before, fingerprint);
    return entries;
  }
  while (const auto entry = next_entry(text)) {
    if (auto shard = shard_of(*entry, plan))
      entries.shards.insert_or_assign(shard->first, std::move(shard->second));
  }
  return entries;
}

Result<Journal> Journal::begin(const fs::path& path, const Fingerprint& fingerprint,
                               const Plan& plan, const Entries& entries) {
  Journal journal;
  journal.path_ = path.string() + ".new";
  journal.descriptor_ =
      ::open(journal.path_.c_str(),
             O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (journal.descriptor_ < 0) return io_error(journal.path_, "creating it", errno);
  RQ_CHECK(journal.append(head_of(fingerprint)));
  for (const auto& [shard, records] : entries.shards) {
    RQ_CHECK(journal.append(shard_entry(
        plan, shard, [&list = records](std::size_t i) -> const TensorRecord& { return list[i]; })));
    ++journal.shards_;
  }
  if (::rename(journal.path_.c_str(), path.c_str()) != 0) {
    return io_error(path, "renaming to it", errno);
  }
  journal.path_ = path;
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      shards_(other.shards_) {}

Journal::~Journal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> Journal::append(const Json& entry) {
  const std::string rest = entry.dump();
  const std::string line = sha256_hex(bytes_of(rest)) + ' ' + rest + '\n';
  RQ_CHECK(write_all(path_, descriptor_, bytes_of(line)));
  if (::fdatasync(descriptor_) != 0) return io_error(path_, "fdatasync", errno);
  return {};
}

Result<void> Journal::add(const Plan& plan, std::uint32_t shard,
                          const std::vector<TensorRecord>& records) {
  const auto& outputs = plan.shards[shard].outputs;
  RQ_CHECK(append(shard_entry(
      plan, shard, [&](std::size_t i) -> const TensorRecord& { return records[outputs[i]]; })));
  ++shards_;
  return {};
}

}  // namespace requant
