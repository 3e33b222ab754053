#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/predicate.h"

namespace requant {

// How an engine compares a module's name with the entries of an ignore list or of targets.
enum class NameMatch : std::uint8_t {
  kExact,
  kExactOrRegex,  // "re:..." is a Python regular expression, anchored at the start
  kSubstring,
};

// Entries of a config that name modules. Answers are remembered by the shape of the name, so that a
// list costs the same for 100 layers and for 2.
class NameList {
 public:
  NameList(const std::vector<std::string>& entries, NameMatch match);
  ~NameList();
  NameList(NameList&&) noexcept;
  NameList& operator=(NameList&&) noexcept;

  // Unknown where an expression cannot be read or takes too many steps.
  Truth contains(std::string_view name) const;
  bool empty() const { return count_ == 0; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::size_t count_ = 0;
};

}  // namespace requant
