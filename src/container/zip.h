#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace requant {

// One file in a zip archive, as it lies there: nothing is compressed.
struct ZipEntry {
  std::string name;
  std::uint64_t header = 0;  // offset of its local header, from the start of the archive
  std::uint64_t offset = 0;  // of its data
  std::uint64_t bytes = 0;
};

// The entries of an archive, sorted by offset. Stricter than zip: every entry is stored, none is
// encrypted, no two overlap or have the same name, the directory lies between the last entry and
// the end record, and local and central headers agree on names.
Result<std::vector<ZipEntry>> read_zip(const File& file);

}  // namespace requant
