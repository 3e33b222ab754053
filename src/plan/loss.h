#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace requant {

// What a conversion may lose, the lightest first.
enum class Loss : std::uint8_t {
  kContradiction,
  kCodeRounding,
  kScaleRounding,
  kZeroRounding,
  kRequantise,
  kActivationsChanged,
  kActivationsDropped,
  kKvScalesDropped,
  kDequantise,
  kCount,
};

std::string_view name_of(Loss loss);
// What it means, for plans and refusals.
std::string_view meaning_of(Loss loss);

// Several losses. Sets are ordered by their heaviest losses.
class LossSet {
 public:
  static LossSet all() { return LossSet((1U << static_cast<unsigned>(Loss::kCount)) - 1); }
  // "code-rounding,scale-rounding" or "all"; kUsage for a name that is none.
  static Result<LossSet> parse(const std::vector<std::string>& names);

  LossSet() = default;
  LossSet& add(Loss loss) {
    bits_ |= bit(loss);
    return *this;
  }
  LossSet& add(LossSet other) {
    bits_ |= other.bits_;
    return *this;
  }
  bool has(Loss loss) const { return (bits_ & bit(loss)) != 0; }
  bool empty() const { return bits_ == 0; }
  std::vector<Loss> list() const;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 of <=> for a pointer
  friend auto operator<=>(const LossSet&, const LossSet&) = default;

 private:
  explicit LossSet(unsigned bits) : bits_(bits) {}
  static unsigned bit(Loss loss) { return 1U << static_cast<unsigned>(loss); }
  unsigned bits_ = 0;
};

}  // namespace requant
