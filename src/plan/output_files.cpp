#include "plan/output_files.h"

#include <algorithm>

#include "base/file.h"
#include "plan/receipt.h"

namespace requant {

Result<void> for_each_file(const Checkpoint& checkpoint, const Plan& plan, RunReport& report,
                           const WriteCall& write) {
  std::vector<OutputFile> files;
  for (const SideFile& file : plan.files) {
    if (file.action == FileAction::kCopy) files.push_back({file.name, file.from, {}});
    if (file.action == FileAction::kWrite) {
      const bool waits = file.content_of != nullptr;
      files.push_back({file.name, {}, waits ? file.content_of(plan) : file.content});
    }
  }
  RQ_TRY(std::string card, model_card(checkpoint, plan, report));
  files.push_back({"README.md", {}, std::move(card)});
  for (const OutputFile& file : files) {
    RQ_TRY(std::string sha256, write(file));
    add_file(report, {file.name, std::move(sha256)});
  }
  return {};
}

void add_file(RunReport& report, FileRecord file) {
  report.files.push_back(std::move(file));
  std::ranges::sort(report.files, {}, &FileRecord::name);
}

Result<std::string> config_text(const Checkpoint& checkpoint, const Plan& plan) {
  if (!plan.config_changes) {
    RQ_TRY(const Bytes bytes,
           read_small_file(checkpoint.root() / "config.json", JsonLimits().bytes));
    return std::string(bytes.text());
  }
  return plan.config.dump(2, checkpoint.config_is_ascii()) + "\n";
}

}  // namespace requant
