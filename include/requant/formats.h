#pragma once

#include <string>
#include <vector>

namespace requant {

// One container, dialect, codec or mix of block types that this build knows.
struct FormatInfo {
  std::string kind;  // "container", "dialect", "codec", "recipe"
  std::string name;  // what users type
  std::string long_name;
  bool reads = false;  // a dialect that is neither read nor written is recognised by name
  bool writes = false;
  std::string source;  // where the format is defined
};

// Containers first, then dialects, then codecs, each in the order in which they are tried; recipes
// last, by name.
std::vector<FormatInfo> formats();

}  // namespace requant
