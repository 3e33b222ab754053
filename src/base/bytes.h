#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace requant {

class Buffer;

// A shared, immutable run of bytes. Copies and slices share the allocation, so that a tensor that
// goes through a codec unchanged is never copied. data() of a frozen Buffer is aligned to 64.
class Bytes {
 public:
  Bytes() = default;
  // A copy of `text`.
  static Result<Bytes> copy_of(std::span<const std::byte> bytes);

  const std::byte* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  std::span<const std::byte> span() const { return view_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(view_.data()), view_.size()};
  }

  // REQUIRES: begin + size <= this->size().
  Bytes slice(std::size_t begin, std::size_t size) const;

  // True when both are the very same memory, which makes comparing them free.
  bool same_memory(const Bytes& other) const {
    return data() == other.data() && size() == other.size();
  }

 private:
  friend class Buffer;
  std::shared_ptr<const std::byte> owner_;
  std::span<const std::byte> view_;
};

// Bytes while they are being written. Not zeroed unless asked for.
class Buffer {
 public:
  // Fails with kResource where there is no memory; never throws.
  static Result<Buffer> allocate(std::size_t size);
  static Result<Buffer> zeroed(std::size_t size);

  std::span<std::byte> span() { return {data_.get(), size_}; }
  std::byte* data() { return data_.get(); }
  std::size_t size() const { return size_; }

  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_.get()), size_ / sizeof(T)};
  }

  Bytes freeze() &&;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

// Reads little-endian numbers and runs of bytes, front to back, and never past the end: after a
// read that did not fit, ok() is false and every further read gives zeros.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  std::span<const std::byte> take(std::uint64_t size);
  void skip(std::uint64_t size) { take(size); }

  bool ok() const { return ok_; }
  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }

 private:
  template <class T>
  T number();
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace requant
