#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "container/file_stream.h"

namespace requant {

struct GgufKeyPlace {
  std::string key;
  std::uint64_t begin = 0;  // of the type and the value, from the start of the file
  std::uint64_t bytes = 0;
};

// The values of a GGUF file's keys, as text that Source::metadata() can hold: each is JSON.
//   numbers and booleans   42, 1e-05, true; what JSON has no number for is a string ("nan")
//   strings                "llama"
//   short arrays           [1, 2, 3]
//   long arrays            {"array": "string", "count": 32000}: their items are checked, not kept
//   long or binary text    {"bytes": 123}
class GgufValues {
 public:
  // Reads `count` pairs of key and value. kCorrupt for what no reader of models takes: empty, long
  // or repeated keys, unknown types, arrays of arrays, claims beyond the end of the file.
  // `places`, where it is not nullptr, gets where each value lies, in the order of the file.
  static Result<GgufValues> read(FileStream& stream, std::uint64_t count,
                                 std::vector<GgufKeyPlace>* places = nullptr);

  std::map<std::string, std::string> take() { return std::move(texts_); }

  // Where data begin and each tensor does: general.alignment.
  std::uint64_t alignment() const { return alignment_; }

 private:
  Result<void> read_pair(FileStream& stream, std::vector<GgufKeyPlace>* places);

  std::map<std::string, std::string> texts_;
  std::uint64_t kept_ = 0;  // bytes of texts_
  std::uint64_t alignment_ = 32;
};

}  // namespace requant
