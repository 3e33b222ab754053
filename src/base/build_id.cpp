#include "base/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/hash.h"

namespace requant {
namespace {

constexpr std::string_view kOwner("GNU\0", 4);

std::size_t padded(std::size_t size) { return (size + 3) / 4 * 4; }

// The build id among the notes of one segment, which the kernel mapped.
std::string find_in_notes(const unsigned char* notes, std::size_t size) {
  for (std::size_t at = 0; size - at >= sizeof(ElfW(Nhdr));) {
    ElfW(Nhdr) head;
    std::memcpy(&head, notes + at, sizeof(head));
    at += sizeof(head);
    const std::size_t whole = padded(head.n_namesz) + padded(head.n_descsz);
    if (whole > size - at) return {};
    const std::string_view owner(reinterpret_cast<const char*>(notes + at), head.n_namesz);
    if (head.n_type == NT_GNU_BUILD_ID && owner == kOwner) {
      const unsigned char* id = notes + at + padded(head.n_namesz);
      return hex_of(std::as_bytes(std::span(id, head.n_descsz)));
    }
    at += whole;
  }
  return {};
}

// The first object is the program itself.
int look_at_program(dl_phdr_info* object, std::size_t, void* out) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE || segment.p_align > 4) continue;
    const auto* notes = reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
    std::string found = find_in_notes(notes, segment.p_memsz);
    if (!found.empty()) *static_cast<std::string*>(out) = std::move(found);
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string id;
  ::dl_iterate_phdr(look_at_program, &id);
  return id;
}

}  // namespace requant
