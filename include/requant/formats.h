#pragma once

#include <string>
#include <vector>

namespace requant {

// One container, dialect or codec that this build knows.
struct FormatInfo {
  std::string kind;  // "container", "dialect", "codec"
  std::string name;  // what users type
  std::string long_name;
  bool reads = false;  // a dialect that is neither read nor written is recognised by name
  bool writes = false;
  std::string source;  // where the format is defined
};

// Containers first, then dialects, then codecs, each in the order in which they are tried.
std::vector<FormatInfo> formats();

}  // namespace requant
