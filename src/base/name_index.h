#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace requant {

// Finds names among hundreds of thousands: a flat table of numbers, one allocation. The names
// themselves stay with the caller, whose `name_of(number)` gives them back.
class NameIndex {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  NameIndex() = default;
  explicit NameIndex(std::size_t expected) { grow(expected); }

  // The number of that name, or kNone.
  template <class NameOf>
  std::uint32_t find(std::string_view name, const NameOf& name_of) const {
    return slots_.empty() ? kNone : slots_[slot_of(hash(name), name, name_of)].number;
  }

  // False, and nothing changes, when the name is there already. `other` is then its number.
  // REQUIRES: number is not kNone.
  template <class NameOf>
  bool insert(std::string_view name, std::uint32_t number, const NameOf& name_of,
              std::uint32_t* other = nullptr) {
    if (slots_.size() < 2 * (count_ + 1)) grow(2 * count_);
    const std::uint32_t key = hash(name);
    Slot& slot = slots_[slot_of(key, name, name_of)];
    if (slot.number != kNone) {
      if (other != nullptr) *other = slot.number;
      return false;
    }
    slot = {key, number};
    ++count_;
    return true;
  }

  std::size_t size() const { return count_; }
  void clear();

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = kNone;
  };

  static std::uint32_t hash(std::string_view name) {
    const std::size_t whole = std::hash<std::string_view>()(name);
    return static_cast<std::uint32_t>(whole ^ (whole >> 32));
  }

  // Where the name is, or the free slot where it would go.
  template <class NameOf>
  std::size_t slot_of(std::uint32_t key, std::string_view name, const NameOf& name_of) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = key & mask;; at = (at + 1) & mask) {
      const Slot& slot = slots_[at];
      if (slot.number == kNone || (slot.hash == key && name_of(slot.number) == name)) return at;
    }
  }

  void grow(std::size_t expected);

  std::vector<Slot> slots_;  // a power of two, at most half of it used
  std::size_t count_ = 0;
};

}  // namespace requant
