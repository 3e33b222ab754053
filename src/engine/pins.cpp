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

std::optional<int> transformers_major_of(std::string_view constraints) {
  // The newest that is out where nothing bounds it from above.
  constexpr int kNewest = 5;
  Bounds bounds;
  for (const std::string_view constraint : split(constraints, ',')) narrow(constraint, bounds);
  const int highest = bounds.highest.value_or(kNewest);
  if (bounds.lowest && *bounds.lowest >= highest) return *bounds.lowest;
  return std::nullopt;
}

std::optional<int> transformers_major(const EngineData& engine) {
  if (engine.id.engine == kPackage) return leading_number(engine.id.version);
  return transformers_major_of(engine.text_at({"pins", kPackage}));
}

}  // namespace requant
