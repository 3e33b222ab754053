#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/output_folder.h"
#include "base/signals.h"
#include "base/text.h"
#include "fix/fix.h"
#include "plan/receipt.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfigName = "config.json";
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

Error failure(const fs::path& path, const std::error_code& error) {
  return resource(printable(path.string(), 4096) + ": " + error.message());
}

using Files = std::map<std::string, std::string>;

// What is written: the plan's files, and the receipt where its hashes of them would be old ones.
Files files_of(const fs::path& root, const FixPlan& plan) {
  Files files = plan.files;
  const std::string name(kReceiptName);
  const auto receipt = read_small_file(root / name, kMaxReceiptBytes);
  if (!receipt || files.contains(name)) return files;
  auto edited = with_files(receipt->text(), plan.files, plan.removed);
  if (edited && *edited != receipt->text()) files.emplace(name, *std::move(edited));
  return files;
}

// Names of what stays as it is. Hidden files (a hub's cache) are nobody's business; links are
// followed.
Result<std::vector<std::string>> linked_names(const fs::path& root, const FixPlan& plan,
                                              const Files& files) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(root, failed), end; !failed && at != end;
       at.increment(failed)) {
    const std::string name = fs::relative(at->path(), root, failed).string();
    if (at->path().filename().string().starts_with(".")) {
      at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file(failed) || files.contains(name)) continue;
    if (std::ranges::find(plan.removed, name) == plan.removed.end()) names.push_back(name);
  }
  if (failed) return failure(root, failed);
  return names;
}

Result<void> link_file(const fs::path& from, const OutputFolder& folder, const fs::path& name) {
  const fs::path to = folder.staging() / name;
  std::error_code failed;
  fs::create_directories(to.parent_path(), failed);
  fs::create_hard_link(fs::canonical(from, failed), to, failed);
  if (!failed) return {};
  RQ_CHECK(folder.copy(from, name.string()));
  return {};
}

Result<std::string> sha256_of(const fs::path& path) {
  RQ_TRY(const File file, File::open(path));
  RQ_TRY(Buffer space, Buffer::allocate(kPieceBytes));
  Sha256 hash;
  for (std::uint64_t at = 0; at < file.size();) {
    if (interrupted()) return interruption();
    const auto piece = space.span().first(
        static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), file.size() - at)));
    RQ_CHECK(file.read_at(at, piece));
    hash.update(piece);
    at += piece.size();
  }
  return hash.hex();
}

// The same file, or the same bytes.
bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code failed;
  if (fs::equivalent(a, b, failed)) return true;
  const auto first = sha256_of(a);
  const auto second = sha256_of(b);
  return first && second && *first == *second;
}

// Whether an earlier run has made just this.
bool is_there(const fs::path& root, const fs::path& out, const Files& files,
              const std::vector<std::string>& linked) {
  std::size_t found = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(out, failed), end; !failed && at != end;
       at.increment(failed)) {
    found += at->is_directory(failed) ? 0 : 1;
  }
  if (failed || found != files.size() + linked.size()) return false;
  for (const auto& [name, text] : files) {
    const auto there = read_small_file(out / name, text.size());
    if (!there || there->text() != text) return false;
  }
  return std::ranges::all_of(
      linked, [&](const std::string& name) { return is_same(root / name, out / name); });
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

// Whether a run that was killed has backed the file up already.
bool is_backed_up(const fs::path& path) {
  std::error_code failed;
  for (fs::directory_iterator at(path.parent_path(), failed), end; !failed && at != end;
       at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(path.filename().string() + ".orig")) continue;
    if (fs::equivalent(at->path(), path, failed)) return true;
  }
  return false;
}

// Gives a file, which stays where it is, another name or a copy.
Result<void> back_up(const fs::path& path) {
  std::error_code failed;
  if (!fs::exists(path, failed) || is_backed_up(path)) return {};
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
  const OutputRules rules = {
      .input = root, .overwrite = false, .receipt = std::string(kReceiptName)};
  const Files files = files_of(root, plan);
  RQ_TRY(const std::vector<std::string> linked, linked_names(root, plan, files));
  if (is_there(root, out, files, linked)) return sync_folder(fs::absolute(out).parent_path());
  RQ_CHECK(check_output(out, rules));
  RQ_TRY(OutputFolder folder, OutputFolder::begin(out, rules));
  RQ_CHECK(folder.keep_only({}));
  for (const std::string& name : linked) {
    if (interrupted()) return interruption();
    RQ_CHECK(link_file(root / name, folder, name));
  }
  for (const auto& [name, text] : files) {
    if (name != kConfigName) RQ_CHECK(folder.write(name, bytes_of(text)));
  }
  if (interrupted()) return interruption();
  const auto config = files.find(std::string(kConfigName));
  if (config != files.end()) RQ_CHECK(folder.write(kConfigName, bytes_of(config->second)));
  return folder.commit();
}

Result<void> fix_in_place(const fs::path& root, const FixPlan& plan) {
  for (const auto& [name, text] : files_of(root, plan)) RQ_CHECK(replace(root / name, text));
  for (const std::string& name : plan.removed) RQ_CHECK(keep(root / name));
  return sync_folder(root);
}

}  // namespace requant
