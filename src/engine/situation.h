#pragma once

#include <string>
#include <vector>

#include "engine/check.h"
#include "engine/engine_data.h"
#include "engine/facts.h"
#include "engine/names.h"

namespace requant {

// A quantization block in config.json and the keys that lead to it, joined by dots.
struct BlockPlace {
  std::string path;
  const Json* block = nullptr;
};
// Every quantization_config and compression_config, the top level first.
std::vector<BlockPlace> quantization_blocks(const Json& config);

// Weights that an engine treats alike: same scheme, shape, role, config group, and tensor names.
struct WeightClass {
  const Weight* example = nullptr;
  std::size_t count = 0;
  Truth ignored = Truth::kNo;   // by the config's ignore list, as the engine compares
  const Json* group = nullptr;  // compressed-tensors: the config group that targets it
  bool fused = false;           // loaded together with other modules as one matrix
};

// What an engine would see, before any rule is asked.
struct Situation {
  const EngineData* engine = nullptr;
  const Subject* subject = nullptr;
  BlockPlace block;                // the one that the engine reads; block.block may be null
  std::vector<BlockPlace> unread;  // those that it does not look at
  std::string declared;            // quant_method as the config spells it
  std::string method;              // what the engine makes of it; empty: unquantised
  std::string method_src;
  EngineFacts facts;  // of the checkpoint and the device
  std::vector<WeightClass> classes;
  // Dense Linears that the engine would build quantised, since nothing tells it not to.
  std::vector<const DenseTensor*> uncovered;
};

// `device.capability` must be stated, or the platform have none.
Situation describe(const EngineData& engine, const Subject& subject, const Device& device);

// The same for another capability or processor; cheap unless the engine then takes another method.
void restate(Situation& situation, const Device& device);

// The facts of one class, standing on `situation.facts`: `situation` must outlive them.
EngineFacts facts_of(const WeightClass& weights, const Situation& situation);

}  // namespace requant
