#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace requant {

// A matrix that holds those of other modules: the rows of each member in turn, `times` over. Where
// the members are experts it is a stack of such matrices, one for each expert.
struct Composition {
  struct Member {
    std::string module;     // "model.layers.3.mlp.experts.{expert}.gate_proj"
    std::int64_t rows = 0;  // in a row before the next member's come; 0: config.json does not say
    friend bool operator==(const Member&, const Member&) = default;
  };
  std::string module;  // "model.layers.3.mlp.experts.gate_up_proj"
  std::vector<Member> members;
  std::int64_t times = 1;    // 0: config.json does not say
  std::int64_t experts = 0;  // 0: no stack; -1: a stack, and config.json does not say of how many
  bool transposed = false;   // unquantised, it is stored as [inputs, outputs]

  friend bool operator==(const Composition&, const Composition&) = default;
  bool is_stack() const { return experts != 0; }
  bool is_known() const;
  // Of one matrix. REQUIRES: is_known().
  std::int64_t rows() const;
  // The module of a member: the pattern's own name, with the expert's number in it.
  std::string member(std::size_t index, std::int64_t expert) const;
};

// A pattern with the number in place of the first `placeholder` ("{layer}").
std::string with_number(std::string pattern, std::string_view placeholder, std::int64_t number);

}  // namespace requant
