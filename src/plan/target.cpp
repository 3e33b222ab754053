#include "plan/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "dialect/weight_file.h"
#include "plan/block_recipe.h"

namespace requant {
namespace {

constexpr std::string_view kDense = "dense";

struct NamedDType {
  std::string_view name;
  DType dtype;
};

constexpr auto kDTypes = std::to_array<NamedDType>({
    {"f32", DType::kF32},
    {"bf16", DType::kBF16},
    {"f16", DType::kF16},
});

Result<void> check_dtype(std::string_view name) {
  std::vector<std::string> names;
  for (const NamedDType& row : kDTypes) {
    if (name.empty() || row.name == name) return {};
    names.emplace_back(row.name);
  }
  return usage(
      fmt::format("{} is no scheme here; there are {}", in_quotes(name), join(names, ", ")));
}

Result<const NamedLayout*> find_layout(const Dialect& dialect, std::string_view name) {
  std::vector<std::string> names;
  for (const NamedLayout& layout : dialect.layouts) {
    if (layout.name == name) return &layout;
    names.emplace_back(layout.name);
  }
  return usage(fmt::format("{} is no layout here; there are {}", in_quotes(name),
                           names.empty() ? "none that can be named" : join(names, ", ")));
}

bool can_write(const Dialect& dialect) {
  return dialect.name == kDense || dialect.quantization_config != nullptr ||
         weight_file_of(dialect) != nullptr;
}

}  // namespace

bool Target::is_dense() const { return dialect->name == kDense; }

const Codec* Target::codec_for(const Scheme& wanted) const {
  return codec_in(*dialect, layout, wanted);
}

Result<Target> parse_target(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view place = text.substr(0, colon);
  const std::size_t at = place.find('@');
  const std::string_view name = place.substr(0, at);
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
  if (at != std::string_view::npos) {
    RQ_TRY_IN(target.layout, find_layout(*target.dialect, place.substr(at + 1)), name);
  }
  if (colon != std::string_view::npos) target.scheme = text.substr(colon + 1);
  if (target.is_dense()) {
    RQ_CHECK_IN(check_dtype(target.scheme), "dense");
  } else {
    if (target.scheme.empty()) return target;
    auto request = parse_scheme(target.scheme);
    target.names_blocks = !request && weight_file_of(*target.dialect) != nullptr &&
                          find_block_recipe(target.scheme) != nullptr;
    if (target.names_blocks) return target;
    RQ_TRY_IN(target.request, std::move(request), target.dialect->name);
  }
  return target;
}

bool has_named_scheme(const Target& target, const Scheme& scheme) {
  return !target.request || satisfies(scheme, *target.request);
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
