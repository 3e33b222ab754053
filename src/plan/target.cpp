#include "plan/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace requant {
namespace {

constexpr std::string_view kDense = "dense";

struct NamedScheme {
  std::string_view name;
  Element element;
  int bits;
};

constexpr auto kSchemes = std::to_array<NamedScheme>({
    {"int8", Element::kInt, 8},
    {"int4", Element::kInt, 4},
    {"fp8", Element::kE4M3Fn, 8},
    {"e4m3fn", Element::kE4M3Fn, 8},
    {"float8_e4m3fn", Element::kE4M3Fn, 8},
    {"e5m2", Element::kE5M2, 8},
    {"float8_e5m2", Element::kE5M2, 8},
});

struct NamedDType {
  std::string_view name;
  DType dtype;
};

constexpr auto kDTypes = std::to_array<NamedDType>({
    {"f32", DType::kF32},
    {"bf16", DType::kBF16},
    {"f16", DType::kF16},
});

template <class Table>
std::string names_in(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return join(names, ", ");
}

template <class Table>
Result<void> check_name(const Table& table, std::string_view name) {
  if (name.empty() ||
      std::ranges::any_of(table, [&](const auto& row) { return row.name == name; })) {
    return {};
  }
  return usage(fmt::format("{} is no scheme here; there are {}", in_quotes(name), names_in(table)));
}

bool can_write(const Dialect& dialect) {
  return dialect.name == kDense || dialect.quantization_config != nullptr;
}

}  // namespace

bool Target::is_dense() const { return dialect->name == kDense; }

Result<Target> parse_target(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  Target target;
  target.dialect = find_dialect(name);
  if (target.dialect == nullptr) {
    std::vector<std::string> known;
    for (const Dialect* dialect : dialects()) {
      if (can_write(*dialect)) known.emplace_back(dialect->name);
    }
    return usage(fmt::format("{} is no dialect that can be written; there are {}", in_quotes(name),
                             join(known, ", ")));
  }
  if (!can_write(*target.dialect)) {
    return refused(fmt::format("{} is read, not written", target.dialect->name));
  }
  if (colon != std::string_view::npos) target.scheme = text.substr(colon + 1);
  if (target.is_dense()) {
    RQ_CHECK_IN(check_name(kDTypes, target.scheme), "dense");
  } else {
    RQ_CHECK_IN(check_name(kSchemes, target.scheme), target.dialect->name);
  }
  return target;
}

bool has_named_scheme(const Target& target, const Scheme& scheme) {
  if (target.scheme.empty() || target.is_dense()) return true;
  const auto found = std::ranges::find(kSchemes, target.scheme, &NamedScheme::name);
  return found != kSchemes.end() && found->element == scheme.element && found->bits == scheme.bits;
}

DType dense_dtype(const Target& target, const Json& config) {
  const auto found = std::ranges::find(kDTypes, target.scheme, &NamedDType::name);
  if (found != kDTypes.end()) return found->dtype;
  for (const std::string_view key : {"torch_dtype", "dtype"}) {
    const Json* value = config.find(key);
    const auto name = value == nullptr ? std::nullopt : value->as_string();
    const auto dtype = name ? dtype_of_torch(*name) : std::nullopt;
    if (dtype) return *dtype;
  }
  return DType::kBF16;
}

}  // namespace requant
