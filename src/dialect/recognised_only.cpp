#include "dialect/recognised_only.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// A tensor that shows a dialect. `suffix` may end in "*"; `beside` is another tensor of the module.
struct Marker {
  std::string_view suffix;
  std::optional<DType> dtype = {};
  std::string_view beside = {};
  bool unique = false;  // no other dialect writes this: it counts without a word in the config
  std::int64_t beside_elements = 0;  // 0: however many the other tensor has
};

struct Row {
  std::string_view name;
  std::string_view long_name;
  std::string_view source;
  std::string_view methods;     // values of quant_method, separated by spaces
  std::string_view needs = {};  // what reading it would take; empty: a codec
  std::array<Marker, 4> markers = {};
  std::string_view side_file = {};
};

constexpr auto kNoType = std::nullopt;

// In the order of formats' "Detection order"; the more particular before the more general.
constexpr Row kExl3 = {
    .name = "exl3",
    .long_name = "ExLlamaV3",
    .source = "turboderp-org/exllamav3",
    .methods = "exl3",
    .needs =
        "its trellis codes need the generator of their codebook and the rotations of both sides",
    .markers = {Marker{"trellis", kNoType, "", true}}};
constexpr Row kExl2 = {
    .name = "exl2",
    .long_name = "ExLlamaV2",
    .source = "turboderp-org/exllamav2",
    .methods = "exl2",
    .needs = "its groups of rows have 2 to 8 bits each and a permutation of inputs",
    .markers = {Marker{"q_weight", kNoType, "", true}}};
constexpr Row kAqlm = {.name = "aqlm",
                       .long_name = "AQLM",
                       .source = "Vahe1994/AQLM",
                       .methods = "aqlm",
                       .needs = "its weights are sums of vectors from several codebooks",
                       .markers = {Marker{"codebooks", kNoType, "", true}}};
constexpr Row kVptq = {
    .name = "vptq",
    .long_name = "VPTQ",
    .source = "microsoft/VPTQ",
    .methods = "vptq",
    .needs =
        "its weights are vectors from codebooks with residuals, outlier columns and a permutation",
    .markers = {Marker{"indices", kNoType, "weight_scale", true},
                Marker{"indices", kNoType, "", false}}};
constexpr Row kQuanto = {.name = "quanto",
                         .long_name = "optimum-quanto",
                         .source = "optimum-quanto 0.2.7",
                         .methods = "quanto",
                         .needs = "its groups lie across the first dimension, packed in slabs",
                         .markers = {Marker{"_data", kNoType, "", true}}};
constexpr Row kGguf = {.name = "gptqmodel_gguf",
                       .long_name = "GGUF blocks in safetensors (GPTQModel)",
                       .source = "GPTQModel f4c327a1",
                       .methods = "gguf",
                       .markers = {Marker{"qweight", DType::kU8, "", false}}};
constexpr Row kEetq = {.name = "eetq",
                       .long_name = "EETQ int8",
                       .source = "NetEase-FuXi/EETQ",
                       .methods = "eetq",
                       .needs = "its codes lie in the order of a CUTLASS kernel",
                       .markers = {Marker{"weight", DType::kI8, "weight_scales", true}}};
constexpr Row kBitnet = {.name = "bitnet",
                         .long_name = "BitNet ternary",
                         .source = "transformers 5.17",
                         .methods = "bitnet",
                         .needs = "its scale divides or multiplies as the config's mode says",
                         .markers = {Marker{"weight", DType::kU8, "weight_scale", true, 1}}};
constexpr Row kHiggs = {.name = "higgs",
                        .long_name = "HIGGS",
                        .source = "transformers 5.17",
                        .methods = "higgs",
                        .needs = "its codes lie in tiles that FLUTE chose for one GPU, rotated",
                        .markers = {Marker{"tables2", kNoType, "scales", true},
                                    Marker{"tables", kNoType, "scales", true}}};
constexpr Row kSpqr = {.name = "spqr",
                       .long_name = "SpQR",
                       .source = "transformers 5.17",
                       .methods = "spqr",
                       .needs = "its weights are tiles of 3 bits and a sparse list of outliers",
                       .markers = {Marker{"dense_weights", kNoType, "", true}}};

bool fits(const ModuleTensors& module, const Marker& marker, std::string_view suffix) {
  const TensorInfo* tensor = module.find(suffix);
  if (tensor == nullptr || (marker.dtype && tensor->dtype != *marker.dtype)) return false;
  if (marker.beside.empty()) return true;
  const TensorInfo* other = module.find(marker.beside);
  if (other == nullptr) return false;
  return marker.beside_elements == 0 ||
         element_count(other->shape) == static_cast<std::uint64_t>(marker.beside_elements);
}

// A suffix or, for one that ends in "*", the first that begins so; empty when there is none.
std::string_view actual_suffix(const Facts& facts, std::string_view suffix) {
  if (!suffix.ends_with('*')) return suffix;
  suffix.remove_suffix(1);
  const auto at = facts.modules.suffixes().lower_bound(suffix);
  const bool found = at != facts.modules.suffixes().end() && at->first.starts_with(suffix);
  return found ? at->first : std::string_view();
}

// The first tensor that is as the marker says; only the dtype of `weight` makes it look further
// than the first module with that suffix.
const TensorInfo* find_marker(const Facts& facts, const Marker& marker) {
  const std::string_view suffix = actual_suffix(facts, marker.suffix);
  if (suffix.empty() || facts.modules.first_with(suffix) == nullptr) return nullptr;
  if (!marker.beside.empty() && facts.modules.first_with(marker.beside) == nullptr) return nullptr;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (fits(module, marker, suffix)) return module.find(suffix);
  }
  return nullptr;
}

template <const Row& row>
Recognition recognize(const Facts& facts) {
  const std::string method = declared_method(facts);
  const auto methods = split(row.methods, ' ');
  const bool named =
      !method.empty() && std::find(methods.begin(), methods.end(), method) != methods.end();
  const bool filed = !row.side_file.empty() && facts.side.contains(std::string(row.side_file));
  Recognition result;
  if (named) result.evidence.push_back("quant_method is " + method);
  if (filed) result.evidence.push_back("there is a " + std::string(row.side_file));
  if (named) result.match = Match::kMaybe;
  for (const Marker& marker : row.markers) {
    if (marker.suffix.empty() || (!marker.unique && !named && !filed)) continue;
    if (const TensorInfo* tensor = find_marker(facts, marker)) {
      result.match = Match::kYes;
      result.evidence.push_back(describe(*tensor));
      break;
    }
  }
  return result;
}

template <const Row& row>
Result<Resolution> resolve(const Facts&) {
  return refused(fmt::format("{} checkpoints ({}) cannot be read yet{}{}", row.name, row.long_name,
                             row.needs.empty() ? "" : ": ", row.needs));
}

template <const Row& row>
consteval Dialect dialect_of() {
  return {.name = row.name,
          .long_name = row.long_name,
          .source = row.source,
          .recognize = recognize<row>,
          .resolve = resolve<row>,
          .quant_methods = row.methods};
}

constexpr Dialect kDialects[] = {dialect_of<kExl3>(), dialect_of<kExl2>(),   dialect_of<kAqlm>(),
                                 dialect_of<kVptq>(), dialect_of<kQuanto>(), dialect_of<kGguf>(),
                                 dialect_of<kEetq>(), dialect_of<kBitnet>(), dialect_of<kHiggs>(),
                                 dialect_of<kSpqr>()};

}  // namespace

std::span<const Dialect* const> recognised_only() {
  static const auto kAll = [] {
    std::array<const Dialect*, std::size(kDialects)> all{};
    std::transform(std::begin(kDialects), std::end(kDialects), all.begin(),
                   [](const Dialect& dialect) { return &dialect; });
    return all;
  }();
  return kAll;
}

}  // namespace requant
