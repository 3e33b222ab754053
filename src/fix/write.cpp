#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "base/file.h"
#include "base/output_folder.h"
#include "base/text.h"
#include "fix/fix.h"
#include "plan/receipt.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

Error failure(const fs::path& path, const std::error_code& error) {
  return resource(printable(path.string(), 4096) + ": " + error.message());
}

// Hidden files (a hub's cache) are nobody's business; links are followed.
Result<void> link_file(const fs::path& from, const OutputFolder& folder, const fs::path& name) {
  const fs::path to = folder.staging() / name;
  std::error_code failed;
  fs::create_directories(to.parent_path(), failed);
  fs::create_hard_link(fs::canonical(from, failed), to, failed);
  if (!failed) return {};
  return folder.copy(from, name.string());
}

Result<void> link_all(const fs::path& root, const FixPlan& plan, const OutputFolder& folder) {
  std::error_code failed;
  for (fs::recursive_directory_iterator at(root, failed), end; !failed && at != end;
       at.increment(failed)) {
    const fs::path name = fs::relative(at->path(), root, failed);
    if (name.filename().string().starts_with(".")) {
      at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file(failed) || plan.files.contains(name.string())) continue;
    if (std::ranges::find(plan.removed, name.string()) != plan.removed.end()) continue;
    RQ_CHECK(link_file(at->path(), folder, name));
  }
  if (failed) return failure(root, failed);
  return {};
}

fs::path backup_of(const fs::path& path) {
  fs::path backup = path.string() + ".orig";
  for (int number = 1; fs::exists(fs::symlink_status(backup)); ++number) {
    backup = path.string() + ".orig" + std::to_string(number);
  }
  return backup;
}

// Moves a file out of the way.
Result<void> keep(const fs::path& path) {
  std::error_code failed;
  fs::rename(path, backup_of(path), failed);
  if (failed) return failure(path, failed);
  return {};
}

// Gives a file, which stays where it is, another name or a copy.
Result<void> back_up(const fs::path& path) {
  std::error_code failed;
  if (!fs::exists(path, failed)) return {};
  const fs::path backup = backup_of(path);
  fs::create_hard_link(fs::canonical(path, failed), backup, failed);
  if (!failed) return {};
  fs::copy_file(path, backup, failed);
  if (failed) return failure(path, failed);
  return {};
}

Result<void> write_new(const fs::path& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return failure(path, {errno, std::generic_category()});
  bool whole = true;
  for (std::size_t at = 0; at < text.size() && whole;) {
    const ssize_t wrote = ::write(file, text.data() + at, text.size() - at);
    whole = wrote > 0;
    if (whole) at += static_cast<std::size_t>(wrote);
  }
  whole = whole && ::fsync(file) == 0;
  const int reason = errno;
  whole = ::close(file) == 0 && whole;
  if (!whole) return failure(path, {reason, std::generic_category()});
  return {};
}

// There is a whole file of that name at any moment.
Result<void> replace(const fs::path& path, const std::string& text) {
  const fs::path fresh = path.string() + ".requant-new";
  std::error_code failed;
  fs::remove(fresh, failed);
  RQ_CHECK(write_new(fresh, text));
  RQ_CHECK(back_up(path));
  fs::rename(fresh, path, failed);
  if (failed) return failure(path, failed);
  return {};
}

}  // namespace

Result<void> write_fixed(const fs::path& root, const FixPlan& plan, const fs::path& out) {
  RQ_TRY(OutputFolder folder,
         OutputFolder::begin(
             out, {.input = root, .overwrite = false, .receipt = std::string(kReceiptName)}));
  RQ_CHECK(link_all(root, plan, folder));
  for (const auto& [name, text] : plan.files) RQ_CHECK(folder.write(name, bytes_of(text)));
  return folder.commit();
}

Result<void> fix_in_place(const fs::path& root, const FixPlan& plan) {
  for (const auto& [name, text] : plan.files) RQ_CHECK(replace(root / name, text));
  for (const std::string& name : plan.removed) RQ_CHECK(keep(root / name));
  return {};
}

}  // namespace requant
