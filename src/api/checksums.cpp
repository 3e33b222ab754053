#include "base/json.h"
#include "base/threads.h"
#include "plan/verify_checksums.h"
#include "requant/verify.h"

namespace requant {

Result<ChecksumReport> verify_checksums(
    const std::filesystem::path& folder, int threads,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return or_out_of_memory([&]() -> Result<ChecksumReport> {
    if (threads > 0) set_thread_limit(threads);
    RQ_TRY(Checksums found, compare_checksums(folder, progress));
    ChecksumReport report{.damage = {},
                          .unlisted = std::move(found.unlisted),
                          .tensors = found.tensors,
                          .files = found.files,
                          .bytes = found.bytes};
    for (Damage& damage : found.damage) {
      report.damage.push_back(
          {std::move(damage.file), std::move(damage.tensor), std::move(damage.what)});
    }
    return report;
  });
}

std::string to_json(const ChecksumReport& report) {
  Json damage = Json::array();
  for (const ChecksumDamage& one : report.damage) {
    damage.append(Json::object({{"file", one.file},
                                {"tensor", one.tensor.empty() ? Json() : Json(one.tensor)},
                                {"what", one.what}}));
  }
  Json unlisted = Json::array();
  for (const std::string& name : report.unlisted) unlisted.append(name);
  return Json::object({{"schema", "requant/checksums/1"},
                       {"intact", report.damage.empty()},
                       {"files", report.files},
                       {"tensors", report.tensors},
                       {"bytes", report.bytes},
                       {"damage", std::move(damage)},
                       {"unlisted", std::move(unlisted)}})
             .dump(2) +
         "\n";
}

}  // namespace requant
