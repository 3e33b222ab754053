#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace requant {

// Dotted patterns with {layer} and {expert} for numbers; finds the one that a name matches in the
// time it takes to walk its components, however many patterns there are.
class PatternTree {
 public:
  struct Found {
    std::size_t value = 0;
    int layer = -1;
    int expert = -1;
  };

  // `value` is what find() gives back. A pattern that is there already gets the new value.
  void add(std::string_view pattern, std::size_t value);

  // False when no pattern matches the whole of `name`.
  bool find(std::string_view name, Found& found) const;

 private:
  struct Node {
    std::map<std::string, std::size_t, std::less<>> children;  // component -> index into nodes_
    std::size_t layer = 0;                                     // 0: none (node 0 is the root)
    std::size_t expert = 0;
    std::size_t value = 0;
    bool ends = false;
  };
  std::size_t child_for(std::size_t node, std::string_view component);
  std::size_t step(std::size_t node, std::string_view component, Found& found) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
};

// A component that is a number ("17"), or -1.
int number_component(std::string_view component);

}  // namespace requant
