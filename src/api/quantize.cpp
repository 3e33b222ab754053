#include "requant/quantize.h"

#include "api/conversion.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "plan/journal.h"

namespace requant {
namespace {

constexpr std::string_view kGguf = "gguf";
constexpr std::uint64_t kMaxRecipeBytes = std::uint64_t{1} << 20;

Result<Recipe> recipe_of(const QuantizeOptions& options, std::string_view dialect,
                         std::string_view scheme) {
  const BlockRecipe* blocks = dialect == kGguf ? find_block_recipe(scheme) : nullptr;
  if (options.recipe.empty() && blocks != nullptr) {
    return Recipe::make(*blocks,
                        options.ignore.empty() ? Recipe::usual_ignore_of_blocks() : options.ignore);
  }
  if (options.recipe.empty()) {
    return Recipe::make(scheme, options.ignore.empty() ? Recipe::usual_ignore() : options.ignore);
  }
  RQ_TRY(const Bytes bytes, read_small_file(options.recipe, kMaxRecipeBytes));
  const std::string name = printable(options.recipe.string(), 4096);
  RQ_TRY_IN(Json file, parse_json(bytes.text()), name);
  if (!options.ignore.empty() && file.is_object()) {
    Json list = Json::array();
    for (const std::string& entry : options.ignore) list.append(entry);
    file.set("ignore", std::move(list));
  }
  RQ_TRY_IN(Recipe recipe, Recipe::parse(file, scheme), name);
  return recipe;
}

// Tells the files that quantising reads besides the checkpoint, and what is ignored, from others.
std::string inputs_of(const QuantizeOptions& options) {
  Json list = Json::array();
  for (const std::string& entry : options.ignore) list.append(entry);
  for (const auto& path : {options.recipe, options.input_scales, options.imatrix}) {
    if (!path.empty()) list.append(identity_of(path));
  }
  return list.dump();
}

Result<Conversion> conversion_of(const QuantizeOptions& options) {
  Conversion conversion{.options = options.convert};
  const std::string_view to = options.convert.to;
  const std::size_t colon = to.find(':');
  const bool has_scheme = colon != std::string_view::npos;
  if (to.empty()) return usage("--to DIALECT:SCHEME is needed");
  if (to.substr(0, colon) == "dense") return usage("--to dense does not quantise");
  if (!has_scheme && options.recipe.empty()) {
    return usage("--to " + std::string(to) + ":SCHEME is needed; `requant schemes` lists them");
  }
  RQ_TRY(conversion.recipe, recipe_of(options, to.substr(0, colon),
                                      has_scheme ? to.substr(colon + 1) : std::string_view()));
  if (!options.input_scales.empty()) {
    RQ_TRY(conversion.input_scales, InputScales::read(options.input_scales));
  }
  if (!options.imatrix.empty()) {
    if (to.substr(0, colon) != kGguf) return usage("--imatrix is for block types: --to gguf:TYPE");
    RQ_TRY(conversion.importance, Importance::read(options.imatrix));
  }
  conversion.searches_scales = options.search_scale;
  conversion.inputs = inputs_of(options);
  return conversion;
}

}  // namespace

std::vector<SchemeInfo> schemes() {
  std::vector<SchemeInfo> infos;
  for (const SchemeName& scheme : scheme_names()) {
    infos.push_back({std::string(scheme.name), std::string(scheme.meaning)});
  }
  return infos;
}

Result<ConvertPlan> plan_quantization(const QuantizeOptions& options) {
  RQ_TRY(const Conversion conversion, conversion_of(options));
  return plan(conversion);
}

Result<ConvertReport> quantize(const QuantizeOptions& options, const Progress& progress) {
  RQ_TRY(const Conversion conversion, conversion_of(options));
  return run(conversion, progress);
}

}  // namespace requant
