#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace requant {

struct OutputRules {
  std::filesystem::path input;  // may neither hold the output nor lie in it
  bool overwrite = false;       // an earlier output of ours may be replaced
  std::string receipt;          // the file that tells an earlier output of ours
};

// What lies at an output's place.
enum class Place : std::uint8_t {
  kFree,         // nothing, or an empty folder
  kEarlierOurs,  // an earlier result of ours
};

// kUsage for a place that cannot be an output, kRefused for one that holds what is not ours.
Result<Place> look_at_output(const std::filesystem::path& out, const OutputRules& rules);

// The same; kRefused also for an earlier result that may not be replaced.
Result<void> check_output(const std::filesystem::path& out, const OutputRules& rules);

// Makes the names in a folder safe on the disk.
Result<void> sync_folder(const std::filesystem::path& path);

// A folder that appears complete or not at all. Files are made in OUT.requant-partial/new and the
// folder gets its name when all of them are safe on the disk. While it lives, no other run can
// write the same output. What a killed run left behind is there for the next until that calls
// keep_only().
class OutputFolder {
 public:
  // kResource when another run is writing the same output. An earlier result is no error
  // here, whatever the rules say; refuse_earlier() is one.
  static Result<OutputFolder> begin(const std::filesystem::path& out, const OutputRules& rules);

  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  // Removes everything that commit() has not put in its place, unless leave_for_next_run().
  ~OutputFolder();

  const std::filesystem::path& out() const { return out_; }
  const std::filesystem::path& staging() const { return staging_; }
  // A file beside staging(), for notes to the next run.
  std::filesystem::path journal() const;

  Place place() const { return place_; }
  bool may_replace() const { return overwrite_; }
  Error refuse_earlier() const;

  // Removes what earlier runs left but the journal and these files of staging().
  Result<void> keep_only(const std::vector<std::string>& names) const;
  void leave_for_next_run() { leaves_ = true; }

  // kResource when the disk has less than `bytes` left.
  Result<void> require_space(std::uint64_t bytes) const;

  // Makes staging()/name, with the folders on its way, safe on the disk.
  Result<void> write(std::string_view name, std::span<const std::byte> bytes) const;
  // Gives the SHA-256 of what was copied.
  Result<std::string> copy(const std::filesystem::path& from, std::string_view name) const;

  // Gives the folder its name and makes that safe on the disk too.
  Result<void> commit();
  // Makes the name of an earlier result safe: the run that gave it may have been killed just then.
  Result<void> make_name_safe() const;

 private:
  OutputFolder() = default;
  Result<void> lock();
  Result<void> put_back_replaced() const;
  Result<void> put_in_place() const;
  void remove_partial();

  std::filesystem::path out_;
  std::filesystem::path partial_;
  std::filesystem::path staging_;
  std::filesystem::path known_;  // the nearest folder above out_ that was there before
  bool overwrite_ = false;
  Place place_ = Place::kFree;
  bool leaves_ = false;
  int lock_ = -1;
};

}  // namespace requant
