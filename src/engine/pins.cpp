#include "engine/pins.h"

#include <charconv>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace requant {
namespace {

constexpr std::string_view kPackage = "transformers";

std::optional<int> leading_number(std::string_view text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return std::nullopt;
  return number;
}

// "<5,>=4.56.0" of "transformers<5,>=4.56.0; extra == ..."; nothing for another package.
std::optional<std::string_view> constraints_on(std::string_view pin) {
  if (!pin.starts_with(kPackage)) return std::nullopt;
  pin.remove_prefix(kPackage.size());
  pin = pin.substr(0, pin.find(';'));
  while (pin.starts_with(' ')) pin.remove_prefix(1);
  if (!pin.empty() && std::string_view("<>=!~").find(pin.front()) == std::string_view::npos) {
    return std::nullopt;
  }
  return pin;
}

struct Bounds {
  std::optional<int> lowest;
  std::optional<int> highest;
};

void narrow(std::string_view constraint, Bounds& bounds) {
  while (constraint.starts_with(' ')) constraint.remove_prefix(1);
  const std::size_t digits = constraint.find_first_of("0123456789");
  if (digits == std::string_view::npos) return;
  const std::string_view op = constraint.substr(0, digits);
  const std::string_view version = constraint.substr(digits);
  const auto major = leading_number(version);
  if (!major) return;
  const bool whole = version.find('.') == std::string_view::npos;
  if (op.starts_with("==") || op.starts_with("~=")) bounds = {major, major};
  if (op.starts_with(">")) bounds.lowest = major;
  if (op.starts_with("<=")) bounds.highest = major;
  if (op.starts_with("<") && !op.starts_with("<=")) bounds.highest = whole ? *major - 1 : *major;
}

}  // namespace

std::optional<int> transformers_major_of(std::span<const std::string> pins) {
  // The newest that is out where nothing bounds it from above.
  constexpr int kNewest = 5;
  for (const std::string& pin : pins) {
    const auto constraints = constraints_on(pin);
    if (!constraints) continue;
    Bounds bounds;
    for (const std::string_view constraint : split(*constraints, ',')) narrow(constraint, bounds);
    const int highest = bounds.highest.value_or(kNewest);
    if (bounds.lowest && *bounds.lowest >= highest) return *bounds.lowest;
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<int> transformers_major(const EngineData& engine) {
  if (engine.id.engine == kPackage) return leading_number(engine.id.version);
  const Json* pin = engine.json.at({"pins", kPackage});
  if (pin == nullptr) return std::nullopt;
  const std::vector<std::string> pins = {std::string(kPackage) +
                                         std::string(pin->as_string().value_or(""))};
  return transformers_major_of(pins);
}

}  // namespace requant
