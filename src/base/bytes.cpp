#include "base/bytes.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace requant {
namespace {

constexpr std::size_t kAlignment = 64;

// Large memory in large pages where the system has them to give: what turns matrices visits a page
// for each row. It makes no difference to what may be done with the memory.
void ask_for_large_pages([[maybe_unused]] std::byte* memory, [[maybe_unused]] std::size_t size) {
#ifdef MADV_HUGEPAGE
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const std::size_t skipped = kPage - reinterpret_cast<std::uintptr_t>(memory) % kPage;
  if (size < skipped + 2 * kPage) return;
  (void)madvise(memory + skipped, (size - skipped) / kPage * kPage, MADV_HUGEPAGE);
#endif
}

}  // namespace

Result<Bytes> Bytes::copy_of(std::span<const std::byte> bytes) {
  RQ_TRY(Buffer buffer, Buffer::allocate(bytes.size()));
  if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return std::move(buffer).freeze();
}

Bytes Bytes::slice(std::size_t begin, std::size_t size) const {
  Bytes part;
  part.owner_ = owner_;
  part.view_ = view_.subspan(begin, size);
  return part;
}

void Buffer::Free::operator()(std::byte* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignment});
}

Result<Buffer> Buffer::allocate(std::size_t size) {
  Buffer buffer;
  auto* memory = static_cast<std::byte*>(
      ::operator new (size == 0 ? 1 : size, std::align_val_t{kAlignment}, std::nothrow));
  if (memory == nullptr) return resource("no memory for " + std::to_string(size) + " bytes");
  ask_for_large_pages(memory, size);
  buffer.data_.reset(memory);
  buffer.size_ = size;
  return buffer;
}

Result<Buffer> Buffer::zeroed(std::size_t size) {
  RQ_TRY(Buffer buffer, allocate(size));
  std::memset(buffer.data(), 0, size);
  return buffer;
}

Bytes Buffer::freeze() && {
  Bytes bytes;
  bytes.view_ = {data_.get(), size_};
  bytes.owner_ = std::shared_ptr<const std::byte>(
      data_.release(), [](const std::byte* memory) { Free{}(const_cast<std::byte*>(memory)); });
  size_ = 0;
  return bytes;
}

template <class T>
T ByteReader::number() {
  T value = 0;
  const auto bytes = take(sizeof(T));
  if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

std::uint8_t ByteReader::u8() { return number<std::uint8_t>(); }
std::uint16_t ByteReader::u16() { return number<std::uint16_t>(); }
std::uint32_t ByteReader::u32() { return number<std::uint32_t>(); }
std::uint64_t ByteReader::u64() { return number<std::uint64_t>(); }

std::span<const std::byte> ByteReader::take(std::uint64_t size) {
  if (!ok_ || size > left()) {
    ok_ = false;
    return {};
  }
  const auto bytes = bytes_.subspan(position_, static_cast<std::size_t>(size));
  position_ += static_cast<std::size_t>(size);
  return bytes;
}

}  // namespace requant
