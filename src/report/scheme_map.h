#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "requant/inspect.h"

namespace requant {

// Which scheme each module of each layer has.
struct SchemeMap {
  // One way in which weights are stored. The quantised first, then the largest.
  struct Kind {
    std::string stored;       // "e4m3fn channel, scale F32"; "BF16"
    std::string activations;  // "none"
    bool quantised = false;
    std::uint64_t modules = 0;
    std::uint64_t elements = 0;
    std::uint64_t bytes = 0;
  };
  // Layers one after the other that have the same.
  struct Run {
    std::size_t first = 0;
    std::size_t last = 0;
    std::vector<std::size_t> kinds;  // indices; several where the experts of a layer differ
  };
  struct Row {
    std::string module;     // "mlp.experts.*.up_proj"
    std::vector<Run> runs;  // in the order of layers; layers without the module are in none
  };
  // Layers that are numbered together.
  struct Stack {
    std::string name;  // "model.layers"
    std::size_t layers = 0;
    std::vector<Row> rows;
  };
  struct Single {
    std::string module;
    std::size_t kind = 0;
  };
  std::vector<Kind> kinds;
  std::vector<Stack> stacks;
  std::vector<Single> singles;  // modules outside of layers
};

// Vectors (norms, biases) count among the kinds and are not in the map.
SchemeMap scheme_map(const Inspection& inspection);

}  // namespace requant
