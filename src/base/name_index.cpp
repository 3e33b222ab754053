#include "base/name_index.h"

#include <algorithm>
#include <bit>

namespace requant {

void NameIndex::grow(std::size_t expected) {
  constexpr std::size_t kLeast = 16;
  std::vector<Slot> larger(std::bit_ceil(std::max(kLeast, 2 * expected + 2)));
  const std::size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.number == kNone) continue;
    std::size_t at = slot.hash & mask;
    while (larger[at].number != kNone) at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

void NameIndex::clear() {
  slots_.clear();
  count_ = 0;
}

}  // namespace requant
