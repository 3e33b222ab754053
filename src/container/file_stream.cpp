#include "container/file_stream.h"

#include <fmt/format.h>

#include <algorithm>

namespace requant {

Error FileStream::ends() const {
  return corrupt(fmt::format("the file is truncated: it ends at byte {}", file_.size()));
}

Result<std::span<const std::byte>> FileStream::take(std::uint64_t size) {
  if (size > left()) return ends();
  const bool held = position_ >= window_begin_ && size <= window_.size() &&
                    position_ - window_begin_ <= window_.size() - size;
  if (!held) {
    RQ_TRY(window_, file_.read_at(position_, std::min(kWindow, left())));
    window_begin_ = position_;
  }
  const std::uint64_t begin = position_ - window_begin_;
  position_ += size;
  return window_.span().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
}

Result<std::string> FileStream::text(std::uint64_t size) {
  if (size > left()) return ends();
  std::string text;
  text.reserve(static_cast<std::size_t>(size));
  while (text.size() < size) {
    RQ_TRY(const auto bytes, take(std::min(kWindow, size - text.size())));
    for (const std::byte byte : bytes) text.push_back(static_cast<char>(byte));
  }
  return text;
}

Result<void> FileStream::skip(std::uint64_t size) {
  if (size > left()) return ends();
  position_ += size;
  return {};
}

}  // namespace requant
