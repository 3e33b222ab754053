#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/importance.h"
#include "plan/input_scales.h"
#include "plan/loss.h"
#include "plan/recipe.h"
#include "requant/convert.h"

namespace requant {

// What convert and quantize ask for.
struct Conversion {
  ConvertOptions options;
  std::optional<Recipe> recipe = {};  // quantises what is dense
  std::optional<InputScales> input_scales = {};
  std::optional<Importance> importance = {};
  bool searches_scales = false;
  std::string inputs = {};  // tells recipe, input_scales and importance from others
};

// As --allow takes them.
std::vector<std::string> names_of(LossSet losses);

Result<ConvertPlan> plan(const Conversion& conversion);
Result<ConvertReport> run(const Conversion& conversion, const Progress& progress);

}  // namespace requant
