// zip, with the 64-bit extension where a number does not fit:
//   entries    local header (30 bytes, name, extra), data, optional data descriptor
//   directory  one central header (46 bytes, name, extra, comment) an entry
//   end        [zip64 end record (56), its locator (20),] end record (22), comment
#include "container/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kLocatorBytes = 20;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kCentralBytes = 46;
constexpr std::uint64_t kLocalBytes = 30;
constexpr std::uint64_t kMaxComment = 0xFFFF;
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{64} << 20;
constexpr std::uint32_t kEndMark = 0x06054B50;
constexpr std::uint32_t kLocatorMark = 0x07064B50;
constexpr std::uint32_t kEnd64Mark = 0x06064B50;
constexpr std::uint32_t kCentralMark = 0x02014B50;
constexpr std::uint32_t kLocalMark = 0x04034B50;
constexpr std::uint16_t kExtra64 = 0x0001;
constexpr std::uint16_t kEncrypted = 0x0001;

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
  std::uint64_t end = 0;  // where the end records begin
};

// A 16- or 32-bit field of all ones says that the zip64 record has the number.
bool agrees(std::uint64_t narrow, std::uint64_t all_ones, std::uint64_t wide) {
  return narrow == all_ones || narrow == wide;
}

// The last end record whose comment reaches exactly to the end of the file.
std::optional<std::size_t> find_end(std::span<const std::byte> tail) {
  if (tail.size() < kEndBytes) return std::nullopt;
  for (std::size_t at = tail.size() - kEndBytes + 1; at-- > 0;) {
    if (tail[at] != std::byte{'P'}) continue;
    ByteReader reader(tail.subspan(at));
    if (reader.u32() != kEndMark) continue;
    reader.skip(kEndBytes - 6);
    const std::uint16_t comment_bytes = reader.u16();
    if (comment_bytes == reader.left()) return at;
  }
  return std::nullopt;
}

Result<Directory> read_end64(const File& file, std::uint64_t locator, const Directory& narrow) {
  RQ_TRY(const Bytes bytes, file.read_at(locator, kLocatorBytes));
  ByteReader reader(bytes.span());
  if (reader.u32() != kLocatorMark) return narrow;
  reader.skip(4);
  const std::uint64_t offset = reader.u64();
  RQ_TRY(const Bytes record, file.read_at(offset, kEnd64Bytes));
  ByteReader end(record.span());
  if (end.u32() != kEnd64Mark) return corrupt("no zip64 end record where its locator points");
  end.skip(8 + 4);
  const bool one_disk = end.u32() == 0 && end.u32() == 0;
  Directory directory;
  const std::uint64_t entries_here = end.u64();
  directory.entries = end.u64();
  directory.bytes = end.u64();
  directory.offset = end.u64();
  directory.end = offset;
  if (!one_disk || entries_here != directory.entries ||
      !agrees(narrow.entries, 0xFFFF, directory.entries) ||
      !agrees(narrow.bytes, 0xFFFFFFFF, directory.bytes) ||
      !agrees(narrow.offset, 0xFFFFFFFF, directory.offset)) {
    return corrupt("the zip and zip64 end records contradict each other");
  }
  return directory;
}

Result<Directory> find_directory(const File& file) {
  const std::uint64_t tail_bytes = std::min(file.size(), kEndBytes + kMaxComment);
  RQ_TRY(const Bytes tail, file.read_at(file.size() - tail_bytes, tail_bytes));
  const auto at = find_end(tail.span());
  if (!at) return corrupt("no zip directory at the end: the file is truncated, or no zip archive");
  ByteReader reader(tail.span().subspan(*at));
  reader.skip(4);
  const bool one_disk = reader.u16() == 0 && reader.u16() == 0;
  Directory directory;
  const std::uint64_t entries_here = reader.u16();
  directory.entries = reader.u16();
  directory.bytes = reader.u32();
  directory.offset = reader.u32();
  directory.end = file.size() - tail_bytes + *at;
  if (!one_disk || entries_here != directory.entries) return corrupt("a zip archive in parts");
  if (directory.end >= kLocatorBytes) {
    RQ_TRY(directory, read_end64(file, directory.end - kLocatorBytes, directory));
  }
  const auto end = (Checked(directory.offset) + directory.bytes).value();
  if (!end || *end != directory.end) {
    return corrupt(fmt::format("the zip directory has {} bytes at {}, expected it to end at {}",
                               directory.bytes, directory.offset, directory.end));
  }
  if (directory.bytes > kMaxDirectoryBytes) {
    return refused("a zip directory of " + human_bytes(directory.bytes));
  }
  if (directory.entries > directory.bytes / kCentralBytes) {
    return corrupt(fmt::format("{} zip entries in a directory of {} bytes", directory.entries,
                               directory.bytes));
  }
  return directory;
}

struct CentralHeader {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t local = 0;  // offset of the local header
};

// Replaces the numbers that are all ones by those of the zip64 extra field.
bool apply_extra64(std::span<const std::byte> extra, CentralHeader& header) {
  ByteReader reader(extra);
  while (reader.left() >= 4) {
    const std::uint16_t id = reader.u16();
    ByteReader field(reader.take(reader.u16()));
    if (!reader.ok()) return false;
    if (id != kExtra64) continue;
    for (std::uint64_t* number : {&header.bytes, &header.stored_bytes, &header.local}) {
      if (*number == 0xFFFFFFFF) *number = field.u64();
    }
    return field.ok();
  }
  return true;
}

Result<CentralHeader> read_central(ByteReader& reader) {
  if (reader.u32() != kCentralMark) return corrupt("no zip entry where the directory has one");
  CentralHeader header;
  reader.skip(4);
  header.flags = reader.u16();
  header.method = reader.u16();
  reader.skip(8);
  header.stored_bytes = reader.u32();
  header.bytes = reader.u32();
  const std::uint16_t name_bytes = reader.u16();
  const std::uint16_t extra_bytes = reader.u16();
  const std::uint16_t comment_bytes = reader.u16();
  reader.skip(8);
  header.local = reader.u32();
  const auto name = reader.take(name_bytes);
  const auto extra = reader.take(extra_bytes);
  reader.skip(comment_bytes);
  for (const std::byte b : name) header.name.push_back(static_cast<char>(b));
  if (!reader.ok() || !apply_extra64(extra, header))
    return corrupt("the zip directory is cut short");
  if ((header.flags & kEncrypted) != 0) {
    return refused("zip entry " + in_quotes(header.name) + " is encrypted");
  }
  if (header.method != 0 || header.stored_bytes != header.bytes) {
    return refused("zip entry " + in_quotes(header.name) +
                   " is compressed, expected it stored as torch.save does");
  }
  return header;
}

// `limit`: where the directory begins.
Result<ZipEntry> locate(const File& file, CentralHeader header, std::uint64_t limit) {
  const auto fail = [&](std::string_view what) {
    return corrupt(fmt::format("zip entry {} {}", in_quotes(header.name), what));
  };
  const auto named = (Checked(header.local) + kLocalBytes + header.name.size()).value();
  if (!named || *named > limit) return fail("lies outside the archive");
  RQ_TRY(const Bytes bytes, file.read_at(header.local, *named - header.local));
  ByteReader reader(bytes.span());
  const bool marked = reader.u32() == kLocalMark;
  reader.skip(2 + 2);
  const std::uint16_t method = reader.u16();
  reader.skip(16);
  const std::uint16_t name_bytes = reader.u16();
  const std::uint16_t extra_bytes = reader.u16();
  if (!marked || method != 0 || name_bytes != header.name.size() ||
      bytes.text().substr(kLocalBytes) != header.name) {
    return fail("differs from its local header");
  }
  const auto begin = (Checked(*named) + extra_bytes).value();
  const auto end = begin ? (Checked(*begin) + header.bytes).value() : std::nullopt;
  if (!end || *end > limit) return fail("reaches past the end of the data");
  return ZipEntry{std::move(header.name), header.local, *begin, header.bytes};
}

// Sorts by place. No byte belongs to two entries, headers included.
Result<void> check_apart(std::vector<ZipEntry>& entries) {
  std::sort(entries.begin(), entries.end(),
            [](const ZipEntry& a, const ZipEntry& b) { return a.header < b.header; });
  for (std::size_t i = 1; i < entries.size(); ++i) {
    const ZipEntry& before = entries[i - 1];
    const auto end = (Checked(before.offset) + before.bytes).value();
    if (!end || *end > entries[i].header) {
      return corrupt(fmt::format("zip entries {} and {} overlap", in_quotes(before.name),
                                 in_quotes(entries[i].name)));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<ZipEntry>> read_zip(const File& file) {
  RQ_TRY(const Directory directory, find_directory(file));
  RQ_TRY(const Bytes bytes, file.read_at(directory.offset, directory.bytes));
  ByteReader reader(bytes.span());
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    RQ_TRY(CentralHeader header, read_central(reader));
    if (!names.insert(header.name).second) {
      return corrupt("zip entry " + in_quotes(header.name) + " is there twice");
    }
    RQ_TRY(ZipEntry entry, locate(file, std::move(header), directory.offset));
    entries.push_back(std::move(entry));
  }
  if (reader.left() != 0) return corrupt("more bytes in the zip directory than entries");
  RQ_CHECK(check_apart(entries));
  return entries;
}

}  // namespace requant
