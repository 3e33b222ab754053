#include "plan/testing.h"

#include <algorithm>
#include <set>

#include "plan/receipt.h"
#include "support/support.h"

namespace requant::testing_support {
namespace fs = std::filesystem;

Result<RunReport> convert_folder(const fs::path& from, const fs::path& out,
                                 const ConvertCall& call) {
  RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(from));
  PlanRequest request{.target = {},
                      .max_shard_bytes = call.max_shard_bytes,
                      .tokenizer_from = call.tokenizer_from,
                      .pad_for_ranks = call.pad_for_ranks,
                      .harmonises_fused = call.harmonises_fused,
                      .threads = 2};
  RQ_TRY(request.target, parse_target(call.to));
  RQ_TRY(request.layout, parse_layout(call.layout));
  RQ_TRY(const LossSet allowed, LossSet::parse(call.allow));
  request.leave = allowed;
  RQ_TRY(const Plan plan, make_plan(checkpoint, request));
  RQ_CHECK(check_losses(plan, allowed));
  RQ_TRY(OutputFolder folder, OutputFolder::begin(out, {.input = from,
                                                        .overwrite = call.overwrite,
                                                        .receipt = std::string(kReceiptName)}));
  RQ_TRY(RunReport report, run_plan(checkpoint, plan, folder));
  RQ_CHECK(folder.commit());
  return report;
}

namespace {

Result<std::vector<PairReport>> pairs(const fs::path& a, const fs::path& b) {
  RQ_TRY(const Checkpoint first, Checkpoint::open(a));
  RQ_TRY(const Checkpoint second, Checkpoint::open(b));
  return verify(first, second, {});
}

bool same_tensor(const Source& a, const TensorInfo& x, const Source& b, const TensorInfo* y) {
  if (y == nullptr) return false;
  const auto left = a.read(x);
  const auto right = b.read(*y);
  return left && right && same_bits(*left, *right);
}

}  // namespace

std::vector<std::string> mismatches(const fs::path& a, const fs::path& b) {
  const auto reports = pairs(a, b);
  if (!reports) return {reports.error().message()};
  std::vector<std::string> out;
  for (const PairReport& report : *reports) {
    if (is_match(report.status)) continue;
    out.push_back(report.name + ": " + std::string(name_of(report.status)) + " " + report.first);
  }
  return out;
}

int count_pairs(const fs::path& a, const fs::path& b, PairStatus status) {
  const auto reports = pairs(a, b);
  if (!reports) return -1;
  return static_cast<int>(std::ranges::count(*reports, status, &PairReport::status));
}

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files.emplace(fs::relative(entry.path(), folder).string(), read_file(entry.path()));
  }
  return files;
}

std::vector<std::string> different_tensors(const fs::path& a, const fs::path& b) {
  const auto first = open_source(a);
  const auto second = open_source(b);
  if (!first || !second) return {"cannot be opened"};
  std::vector<std::string> names;
  for (const TensorInfo& info : first->tensors()) {
    if (!same_tensor(*first, info, *second, second->find(info.name))) names.push_back(info.name);
  }
  for (const TensorInfo& info : second->tensors()) {
    if (first->find(info.name) == nullptr) names.push_back(info.name);
  }
  return names;
}

void write_checkpoint(const fs::path& folder, std::string_view config,
                      const std::map<std::string, Tensor>& tensors) {
  fs::create_directories(folder);
  write_file(folder / "config.json", config);
  std::vector<PlannedTensor> planned;
  for (const auto& [name, tensor] : tensors) planned.push_back({name, tensor.dtype, tensor.shape});
  auto writer = SafetensorsWriter::create(folder / "model.safetensors", planned, {});
  if (!writer) return;
  for (const auto& [name, tensor] : tensors) (void)writer->fill(name, 0, tensor.bytes.span());
  (void)writer->finish();
}

std::vector<fs::path> corpus_named(const std::string& prefix) {
  std::vector<fs::path> found;
  for (const fs::path& folder : corpus_folders()) {
    if (folder.filename().string().starts_with(prefix)) found.push_back(folder);
  }
  return found;
}

}  // namespace requant::testing_support
