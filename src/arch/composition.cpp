#include "arch/composition.h"

#include <algorithm>

#include "arch/architecture.h"
#include "arch/config_value.h"
#include "arch/data.h"

namespace requant {
namespace {

constexpr std::string_view kLayer = "{layer}";
constexpr std::string_view kExpert = "{expert}";

std::int64_t experts_of(const Family& family, const KeyValue& value_of) {
  for (const std::string& key : family.experts) {
    if (const auto experts = value_of(key)) return *experts;
  }
  return -1;
}

// The composition of a row whose module is in that layer.
Composition composition_of(const Architecture::Data& data, std::size_t index, int layer,
                           const Json& config) {
  const Architecture::Data::Row& row = data.rows[index];
  const Architecture::Data::Part& part = data.parts[row.part];
  const HoldsRow& holds = *row.row->holds;
  static const Json kEmpty = Json::object();
  const Json* own = config_of(part, config);
  const KeyValue value_of = key_values(*part.family, own == nullptr ? kEmpty : *own);
  Composition result;
  result.module = with_number(part.prefix + row.row->pattern, kLayer, layer);
  result.times = evaluate_dimension(holds.times, value_of).value_or(0);
  result.transposed = holds.transposed;
  for (const HoldsRow::Member& member : holds.members) {
    result.members.push_back(
        {with_number(part.prefix + member_pattern(*row.row, member), kLayer, layer),
         evaluate_dimension(member.rows, value_of).value_or(0)});
    if (member.name.find(kExpert) != std::string::npos) {
      result.experts = experts_of(*part.family, value_of);
    }
  }
  return result;
}

}  // namespace

std::string with_number(std::string pattern, std::string_view placeholder, std::int64_t number) {
  const std::size_t at = pattern.find(placeholder);
  if (at != std::string::npos) pattern.replace(at, placeholder.size(), std::to_string(number));
  return pattern;
}

bool Composition::is_known() const {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // so that rows() does not overflow
  return times > 0 && times < kMost && experts >= 0 && members.size() < 64 &&
         std::ranges::all_of(members, [&](const Member& member) {
           return member.rows > 0 && member.rows < kMost / times;
         });
}

std::int64_t Composition::rows() const {
  std::int64_t rows = 0;
  for (const Member& member : members) rows += member.rows;
  return rows * times;
}

std::string Composition::member(std::size_t index, std::int64_t expert) const {
  return with_number(members[index].module, kExpert, expert);
}

std::string member_pattern(const ModuleRow& row, const HoldsRow::Member& member) {
  const std::size_t dot = row.pattern.rfind('.');
  return row.pattern.substr(0, dot == std::string::npos ? 0 : dot + 1) + member.name;
}

std::optional<Composition> Architecture::composition(std::string_view module,
                                                     const Json& config) const {
  PatternTree::Found found;
  if (!data_->patterns.find(module, found) || !data_->rows[found.value].row->holds) {
    return std::nullopt;
  }
  return composition_of(*data_, found.value, found.layer, config);
}

std::optional<Composition> Architecture::composition_with(std::string_view member,
                                                          const Json& config) const {
  PatternTree::Found found;
  if (!data_->members.find(member, found)) return std::nullopt;
  return composition_of(*data_, found.value, found.layer, config);
}

std::vector<std::string> Architecture::size_names(std::string_view module) const {
  PatternTree::Found found;
  if (!data_->patterns.find(module, found)) return {};
  return data_->rows[found.value].row->shape;
}

void Architecture::set_language_value(Json& config, std::string_view key, const Json& value) const {
  for (const Data::Part& part : data_->parts) {
    if (part.tower != Tower::kLanguage) continue;
    Json* own = part.config.empty() ? &config : config.find(part.config);
    if (own != nullptr && own->find(key) != nullptr) own->set(key, value);
  }
}

std::vector<std::int64_t> Architecture::sizes(std::string_view module, const Json& config) const {
  PatternTree::Found found;
  if (!data_->patterns.find(module, found)) return {};
  const Data::Row& row = data_->rows[found.value];
  const Data::Part& part = data_->parts[row.part];
  const Json* own = config_of(part, config);
  if (own == nullptr) return {};
  const KeyValue value_of = key_values(*part.family, *own);
  std::vector<std::int64_t> sizes;
  for (const std::string& expression : row.row->shape) {
    const auto size = evaluate_dimension(expression, value_of);
    if (!size) return {};
    sizes.push_back(*size);
  }
  return sizes;
}

}  // namespace requant
