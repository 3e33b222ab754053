#include "requant/verify.h"

#include <algorithm>

#include "base/json.h"
#include "base/threads.h"
#include "plan/verify.h"

namespace requant {
namespace {

VerifyPair public_pair(PairReport pair) {
  return {.name = std::move(pair.name),
          .status = std::string(name_of(pair.status)),
          .matches = is_match(pair.status),
          .elements = pair.elements,
          .max_relative = pair.max_relative,
          .max_ulp = pair.max_ulp,
          .first = std::move(pair.first),
          .repaired_rows = std::move(pair.repaired_rows)};
}

Json pair_json(const VerifyPair& pair) {
  Json json = Json::object({{"name", pair.name}, {"status", pair.status}});
  if (!pair.matches) {
    json.set("elements", pair.elements);
    json.set("max_relative", pair.max_relative);
    json.set("max_ulp", pair.max_ulp);
    json.set("first", pair.first);
  }
  if (!pair.repaired_rows.empty()) {
    Json rows = Json::array();
    for (const std::int64_t row : pair.repaired_rows) rows.append(row);
    json.set("repaired_rows", std::move(rows));
  }
  return json;
}

}  // namespace

std::uint64_t VerifyReport::count(const std::string& status) const {
  return static_cast<std::uint64_t>(std::ranges::count(pairs, status, &VerifyPair::status));
}

Result<VerifyReport> verify(const VerifyOptions& options,
                            const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return or_out_of_memory([&]() -> Result<VerifyReport> {
    if (options.threads > 0) set_thread_limit(options.threads);
    RQ_TRY(const Checkpoint first, Checkpoint::open(options.first));
    RQ_TRY(const Checkpoint second, Checkpoint::open(options.second));
    RQ_TRY(std::vector<PairReport> pairs, verify(first, second, progress));
    VerifyReport report;
    report.equal = true;
    for (PairReport& pair : pairs) {
      report.pairs.push_back(public_pair(std::move(pair)));
      report.equal = report.equal && report.pairs.back().matches;
    }
    return report;
  });
}

std::string to_json(const VerifyReport& report) {
  Json json = Json::object({{"schema", "requant/verify/1"}, {"equal", report.equal}});
  Json counts = Json::object();
  for (const char* status : {"exact", "rounded", "repaired", "padded", "tied", "differs",
                             "only-in-first", "only-in-second"}) {
    counts.set(status, report.count(status));
  }
  json.set("counts", std::move(counts));
  Json pairs = Json::array();
  for (const VerifyPair& pair : report.pairs) pairs.append(pair_json(pair));
  json.set("pairs", std::move(pairs));
  return json.dump(2) + "\n";
}

}  // namespace requant
