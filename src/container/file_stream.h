#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "base/file.h"
#include "base/result.h"

namespace requant {

// Reads little-endian numbers and strings of a file from its beginning, a window at a time: what is
// skipped is not read. kCorrupt where the file ends before what is asked for.
class FileStream {
 public:
  explicit FileStream(const File& file) : file_(file) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return file_.size() - position_; }

  template <class T>
  Result<T> number() {
    static_assert(std::is_unsigned_v<T>);
    RQ_TRY(const std::span<const std::byte> bytes, take(sizeof(T)));
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>(value | static_cast<T>(bytes[i]) << (8 * i));
    }
    return value;
  }

  // `size` bytes. REQUIRES: the caller has put a limit on it.
  Result<std::string> text(std::uint64_t size);
  Result<void> skip(std::uint64_t size);

 private:
  // The next bytes, valid until the next call. REQUIRES: size <= kWindow.
  Result<std::span<const std::byte>> take(std::uint64_t size);
  Error ends() const;

  static constexpr std::uint64_t kWindow = std::uint64_t{256} << 10;
  const File& file_;
  std::uint64_t position_ = 0;
  std::uint64_t window_begin_ = 0;
  Bytes window_;
};

}  // namespace requant
