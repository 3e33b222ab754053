#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace requant {

// Files by name: a folder of this machine, or one behind an address. Safe to use from several
// threads at once.
class Folder {
 public:
  static std::shared_ptr<const Folder> on_disk(std::filesystem::path path);

  virtual ~Folder() = default;
  // What messages call it.
  virtual std::string label() const = 0;
  // True for a link that leads nowhere, too: to open it is an error, not to overlook it.
  virtual bool has(std::string_view name) const = 0;
  // Everything in it, sorted. Where a server lists nothing: what is known to be there.
  virtual Result<std::vector<std::string>> names() const = 0;
  // Those that are regular files.
  virtual Result<std::vector<std::string>> file_names() const = 0;
  virtual bool lists_all() const { return true; }
  // The first `head_bytes` of the file are likely to be read soon; 0: not known. Messages name the
  // file by its name.
  virtual Result<File> open(std::string_view name, std::uint64_t head_bytes = 0) const = 0;
  // How many files to read at once.
  virtual int readers() const = 0;
  // True where each read is a request over a network: what is not needed is not read.
  virtual bool is_far() const { return false; }
};

// "https://host/path" or any other scheme: no path of this machine.
bool is_address(std::string_view path);

}  // namespace requant
