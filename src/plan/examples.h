#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "dialect/dialect.h"

namespace requant {

// Tells weights that are alike in all but the numbers in their names: 70,000 experts of a model are
// of three kinds, and what an engine makes of one it makes of all.
class Examples {
 public:
  // True for the first weight of its kind.
  bool is_new(const Weight& weight);

 private:
  struct Form {
    const Codec* codec = nullptr;
    Scheme scheme;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    friend bool operator==(const Form&, const Form&) = default;
  };
  std::unordered_map<std::string, std::vector<Form>> forms_;  // by name without its numbers
};

}  // namespace requant
