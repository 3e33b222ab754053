#include "report/scheme_map.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace requant {
namespace {

constexpr std::size_t kMostLayers = 10'000;  // a number in a name may be anything

struct Natural {
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
};
using Cells = std::map<std::size_t, std::set<std::size_t>>;  // kinds by layer
using Rows = std::map<std::string, Cells, Natural>;

struct Place {
  std::string stack;
  std::size_t layer = 0;
  std::string module;
};

std::optional<std::size_t> number(std::string_view component) {
  std::size_t value = 0;
  const auto [end, problem] =
      std::from_chars(component.data(), component.data() + component.size(), value);
  const bool whole = problem == std::errc() && end == component.data() + component.size();
  return whole && value < kMostLayers ? std::optional(value) : std::nullopt;
}

// "model.layers.17.mlp.experts.5.up_proj": the stack is what comes before the first number, later
// numbers become '*'.
std::optional<Place> place_of(std::string_view name) {
  Place place;
  bool in_layer = false;
  for (const std::string_view component : split(name, '.')) {
    const auto value = number(component);
    if (value && !in_layer && !place.stack.empty()) {
      in_layer = true;
      place.layer = *value;
      continue;
    }
    std::string& part = in_layer ? place.module : place.stack;
    if (!part.empty()) part += '.';
    part += value ? "*" : component;
  }
  if (!in_layer || place.module.empty()) return std::nullopt;
  return place;
}

std::string_view without_weight(std::string_view name) {
  constexpr std::string_view kEnd = ".weight";
  return name.ends_with(kEnd) ? name.substr(0, name.size() - kEnd.size()) : name;
}

using KindKey = std::tuple<bool, std::string, std::string>;

KindKey key_of(const InspectGroup& group) {
  return {group.quantised, group.scheme, group.activations};
}

// Gives each kind its place in `map.kinds`.
std::map<KindKey, std::size_t> collect_kinds(const Inspection& inspection, SchemeMap& map) {
  std::map<KindKey, SchemeMap::Kind> by_key;
  for (const InspectGroup& group : inspection.groups) {
    SchemeMap::Kind& kind = by_key[key_of(group)];
    kind.stored = group.scheme;
    kind.activations = group.activations;
    kind.quantised = group.quantised;
    kind.modules += group.count;
    kind.elements += group.elements;
    kind.bytes += group.bytes;
  }
  for (const auto& [key, kind] : by_key) map.kinds.push_back(kind);
  std::ranges::stable_sort(map.kinds, [](const auto& a, const auto& b) {
    return std::tuple(!a.quantised, b.elements) < std::tuple(!b.quantised, a.elements);
  });
  std::map<KindKey, std::size_t> places;
  for (std::size_t i = 0; i < map.kinds.size(); ++i) {
    places[{map.kinds[i].quantised, map.kinds[i].stored, map.kinds[i].activations}] = i;
  }
  return places;
}

std::vector<SchemeMap::Run> runs_of(const Cells& cells) {
  std::vector<SchemeMap::Run> runs;
  for (const auto& [layer, kinds] : cells) {
    std::vector<std::size_t> list(kinds.begin(), kinds.end());
    const bool goes_on =
        !runs.empty() && runs.back().last + 1 == layer && runs.back().kinds == list;
    if (goes_on) {
      runs.back().last = layer;
    } else {
      runs.push_back({layer, layer, std::move(list)});
    }
  }
  return runs;
}

SchemeMap::Stack stack_of(const std::string& name, const Rows& rows) {
  SchemeMap::Stack stack{.name = name, .layers = 0, .rows = {}};
  for (const auto& [module, cells] : rows) {
    stack.layers = std::max(stack.layers, cells.rbegin()->first + 1);
    stack.rows.push_back({module, runs_of(cells)});
  }
  return stack;
}

}  // namespace

SchemeMap scheme_map(const Inspection& inspection) {
  SchemeMap map;
  const auto kinds = collect_kinds(inspection, map);
  std::map<std::string, Rows, Natural> stacks;
  for (const InspectGroup& group : inspection.groups) {
    if (!group.quantised && group.shape.size() < 2) continue;
    const std::size_t kind = kinds.at(key_of(group));
    for (const std::string& name : group.names) {
      const std::string_view module = group.quantised ? name : without_weight(name);
      if (auto place = place_of(module)) {
        stacks[place->stack][place->module][place->layer].insert(kind);
      } else {
        map.singles.push_back({std::string(module), kind});
      }
    }
  }
  for (const auto& [name, rows] : stacks) map.stacks.push_back(stack_of(name, rows));
  // The model's main layers before those of its towers.
  std::ranges::stable_sort(map.stacks, [](const auto& a, const auto& b) {
    return a.layers * a.rows.size() > b.layers * b.rows.size();
  });
  std::ranges::sort(map.singles,
                    [](const auto& a, const auto& b) { return natural_less(a.module, b.module); });
  return map;
}

}  // namespace requant
