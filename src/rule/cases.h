#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"

namespace requant {

// One finding for any number of tensors: the first is named, the others are counted.
class Cases {
 public:
  void add(std::string_view tensor, std::uint64_t values = 1) {
    if (tensors_++ == 0) first_ = tensor;
    values_ += values;
  }
  bool any() const { return tensors_ > 0; }
  std::uint64_t values() const { return values_; }
  std::string first() const { return printable(first_); }
  // " (and in 13 more)", or nothing.
  std::string others() const {
    if (tensors_ < 2) return {};
    return " (and in " + grouped(tensors_ - 1) + " more)";
  }

 private:
  std::string_view first_;
  std::uint64_t tensors_ = 0;
  std::uint64_t values_ = 0;
};

}  // namespace requant
