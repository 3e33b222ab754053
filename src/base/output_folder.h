#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace requant {

struct OutputRules {
  std::filesystem::path input;  // may neither hold the output nor lie in it
  bool overwrite = false;       // an earlier output of ours may be replaced
  std::string receipt;          // the file that tells an earlier output of ours
};

// Whether `out` may be written. kUsage for a place that cannot be, kRefused for one that holds
// something.
Result<void> check_output(const std::filesystem::path& out, const OutputRules& rules);

// A folder that appears complete or not at all. Files are made in OUT.requant-partial/new and the
// folder gets its name when all of them are safe on the disk. While it lives, no other run can
// write the same output. What a killed run left behind is removed by the next.
class OutputFolder {
 public:
  // kResource when another run is writing the same output.
  static Result<OutputFolder> begin(const std::filesystem::path& out, const OutputRules& rules);

  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  // Removes everything that commit() has not put in its place.
  ~OutputFolder();

  const std::filesystem::path& staging() const { return staging_; }

  // kResource when the disk has less than `bytes` left.
  Result<void> require_space(std::uint64_t bytes) const;

  // Makes staging()/name, with the folders on its way, safe on the disk.
  Result<void> write(std::string_view name, std::span<const std::byte> bytes) const;
  Result<void> copy(const std::filesystem::path& from, std::string_view name) const;

  // Gives the folder its name and makes that safe on the disk too.
  Result<void> commit();

 private:
  OutputFolder() = default;
  Result<void> lock();
  Result<void> remove_stale() const;
  Result<void> put_in_place() const;
  void remove_partial();

  std::filesystem::path out_;
  std::filesystem::path partial_;
  std::filesystem::path staging_;
  int lock_ = -1;
};

}  // namespace requant
