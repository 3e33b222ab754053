#include "fix/fix.h"

#include <stdlib.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/text.h"
#include "fix/index.h"
#include "rule/run.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

// The folder by links, with another index: what will be there once the index is written.
class Preview {
 public:
  static Result<Preview> of(const fs::path& folder, const std::string& index) {
    std::string pattern = (fs::temp_directory_path() / "requant-fix-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return resource("no temporary folder");
    Preview preview;
    preview.path_ = pattern;
    std::error_code failed;
    const fs::path root = fs::absolute(folder, failed);
    for (const auto& entry : fs::directory_iterator(root, failed)) {
      if (entry.path().filename() == kIndexName) continue;
      fs::create_symlink(entry.path(), preview.path_ / entry.path().filename(), failed);
    }
    if (failed) return resource(preview.path_.string() + ": " + failed.message());
    RQ_CHECK(preview.write(index));
    return preview;
  }
  Preview(Preview&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Preview& operator=(Preview&&) = delete;
  ~Preview() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  Preview() = default;
  Result<void> write(const std::string& index) const {
    std::FILE* file = std::fopen((path_ / kIndexName).c_str(), "wb");
    if (file == nullptr) return resource(path_.string() + ": cannot be written");
    const bool whole = std::fwrite(index.data(), 1, index.size(), file) == index.size();
    if (std::fclose(file) != 0 || !whole) return resource(path_.string() + ": cannot be written");
    return {};
  }
  fs::path path_;
};

Result<std::vector<Finding>> all_findings(const Checkpoint& checkpoint) {
  std::vector<Finding> findings(checkpoint.findings().begin(), checkpoint.findings().end());
  RQ_TRY(auto more, run_rules(checkpoint));
  std::ranges::move(more, std::back_inserter(findings));
  std::ranges::stable_sort(findings, std::greater(), &Finding::severity);
  return findings;
}

std::set<std::string_view> rules_of(std::string_view answers) {
  const auto names = split(answers, ' ');
  return {names.begin(), names.end()};
}

// Runs every repair that a finding asks for, and notes which findings those were.
Result<void> run_repairs(RepairScene& scene, FixPlan& plan) {
  std::set<std::string_view> answered;
  for (const Repair* repair : repairs()) {
    const auto before = scene.documents.edits().size();
    const auto changed = scene.documents.changed();
    RQ_CHECK_IN(repair->apply(scene), repair->name);
    const bool did =
        scene.documents.edits().size() != before || scene.documents.changed() != changed;
    if (did) answered.merge(rules_of(repair->answers));
  }
  for (const Finding& finding : scene.findings) {
    (answered.contains(finding.rule) ? plan.answered : plan.left).push_back(finding);
  }
  return {};
}

}  // namespace

Result<FixPlan> plan_fix(const fs::path& folder, const FixOptions& options) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    return usage(printable(folder.string(), 4096) + ": is no folder");
  }
  FixPlan plan;
  RQ_TRY(const auto index, rebuilt_index(folder));
  std::optional<Preview> preview;
  if (index) {
    RQ_TRY(Preview made, Preview::of(folder, *index));
    preview.emplace(std::move(made));
  }
  RQ_TRY(const Checkpoint checkpoint,
         Checkpoint::open(preview ? preview->path() : folder, {.lenient = true}));
  RQ_TRY(const auto findings, all_findings(checkpoint));
  Documents documents(checkpoint);
  RepairScene scene{checkpoint, findings, options, documents};
  RQ_CHECK(run_repairs(scene, plan));
  plan.edits = documents.edits();
  plan.files = documents.changed();
  plan.removed = documents.removed();
  if (index) {
    plan.files[std::string(kIndexName)] = *index;
    plan.edits.push_back({std::string(kIndexName), "", "another list", "rebuilt from the headers"});
  }
  return plan;
}

}  // namespace requant
