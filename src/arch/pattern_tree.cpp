#include "arch/pattern_tree.h"

#include <charconv>

#include "base/text.h"

namespace requant {

int number_component(std::string_view component) {
  int number = -1;
  const char* end = component.data() + component.size();
  const auto [stop, error] = std::from_chars(component.data(), end, number);
  return error == std::errc() && stop == end && number >= 0 ? number : -1;
}

std::size_t PatternTree::child_for(std::size_t node, std::string_view component) {
  const std::size_t next = nodes_.size();
  if (component == "{layer}" || component == "{expert}") {
    std::size_t& slot = component == "{layer}" ? nodes_[node].layer : nodes_[node].expert;
    if (slot != 0) return slot;
    slot = next;
  } else {
    const auto [at, is_new] = nodes_[node].children.try_emplace(std::string(component), next);
    if (!is_new) return at->second;
  }
  nodes_.emplace_back();
  return next;
}

void PatternTree::add(std::string_view pattern, std::size_t value) {
  std::size_t node = 0;
  for (const std::string_view component : split(pattern, '.')) node = child_for(node, component);
  nodes_[node].value = value;
  nodes_[node].ends = true;
}

// The child that `component` leads to, or 0.
std::size_t PatternTree::step(std::size_t node, std::string_view component, Found& found) const {
  const Node& from = nodes_[node];
  if (const auto at = from.children.find(component); at != from.children.end()) return at->second;
  if (from.layer == 0 && from.expert == 0) return 0;
  const int number = number_component(component);
  if (number < 0) return 0;
  (from.layer != 0 ? found.layer : found.expert) = number;
  return from.layer != 0 ? from.layer : from.expert;
}

bool PatternTree::find(std::string_view name, Found& found) const {
  std::size_t node = 0;
  for (;;) {
    const std::size_t dot = name.find('.');
    node = step(node, name.substr(0, dot), found);
    if (node == 0) return false;
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
  }
  found.value = nodes_[node].value;
  return nodes_[node].ends;
}

}  // namespace requant
