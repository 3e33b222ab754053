#include "base/hash_file.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"

namespace requant {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

}  // namespace

Result<std::string> sha256_hex(const File& file, std::uint64_t offset, std::uint64_t bytes,
                               const EachPiece& each) {
  Sha256 hash;
  RQ_TRY(Buffer space, Buffer::allocate(std::min<std::uint64_t>(bytes, kPieceBytes)));
  for (std::uint64_t at = 0; at < bytes;) {
    const auto piece = space.span().first(
        static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), bytes - at)));
    RQ_CHECK(file.read_at(offset + at, piece));
    hash.update(piece);
    RQ_CHECK(each(piece));
    at += piece.size();
  }
  return hash.hex();
}

}  // namespace requant
