#include "plan/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace requant {
namespace {

struct LossInfo {
  std::string_view name;
  std::string_view meaning;
};

constexpr auto kLosses = std::to_array<LossInfo>({
    {"contradiction", "config.json contradicts the tensors, which are believed"},
    {"code-rounding", "codes that the target's element type cannot hold are rounded"},
    {"scale-rounding", "scales are rounded to the target's type"},
    {"zero-rounding", "zero points are rounded to whole codes"},
    {"requantise", "weights are quantised again"},
    {"activations-changed", "activations are quantised in another way at run time"},
    {"activations-dropped", "activations are no longer quantised at run time"},
    {"kv-scales-dropped", "scales of the KV cache are left out"},
    {"dequantise", "weights are stored unquantised"},
});
static_assert(kLosses.size() == static_cast<std::size_t>(Loss::kCount));

}  // namespace

std::string_view name_of(Loss loss) { return kLosses[static_cast<std::size_t>(loss)].name; }
std::string_view meaning_of(Loss loss) { return kLosses[static_cast<std::size_t>(loss)].meaning; }

std::vector<Loss> LossSet::list() const {
  std::vector<Loss> losses;
  for (std::size_t i = 0; i < kLosses.size(); ++i) {
    if (has(static_cast<Loss>(i))) losses.push_back(static_cast<Loss>(i));
  }
  return losses;
}

Result<LossSet> LossSet::parse(const std::vector<std::string>& names) {
  LossSet set;
  for (const std::string& text : names) {
    for (const std::string_view name : split(text, ',')) {
      const auto found = std::ranges::find(kLosses, name, &LossInfo::name);
      if (name == "all") {
        set.add(all());
      } else if (found != kLosses.end()) {
        set.add(static_cast<Loss>(found - kLosses.begin()));
      } else {
        std::vector<std::string> known;
        for (const LossInfo& loss : kLosses) known.emplace_back(loss.name);
        return usage(
            fmt::format("{} is no loss; there are {} and all", in_quotes(name), join(known, ", ")));
      }
    }
  }
  return set;
}

}  // namespace requant
