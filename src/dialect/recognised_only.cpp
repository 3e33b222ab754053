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
};

struct Row {
  std::string_view name;
  std::string_view long_name;
  std::string_view source;
  std::string_view methods;  // values of quant_method, separated by spaces
  std::array<Marker, 4> markers = {};
  std::string_view config_key = {};  // a key of config.json that only this dialect has
  std::string_view side_file = {};
};

constexpr auto kNoType = std::nullopt;

// In the order of formats' "Detection order"; the more particular before the more general.
constexpr Row kBitsandbytes = {
    .name = "bitsandbytes",
    .long_name = "bitsandbytes: nf4, fp4, LLM.int8()",
    .source = "bitsandbytes 0.50.2",
    .methods = "bitsandbytes",
    .markers = {Marker{"bitsandbytes__*", DType::kU8, "", true},
                Marker{"SCB", kNoType, "weight", true}, Marker{"absmax", kNoType, "", false}}};
constexpr Row kExl3 = {.name = "exl3",
                       .long_name = "ExLlamaV3",
                       .source = "turboderp-org/exllamav3",
                       .methods = "exl3",
                       .markers = {Marker{"trellis", kNoType, "", true}}};
constexpr Row kExl2 = {.name = "exl2",
                       .long_name = "ExLlamaV2",
                       .source = "turboderp-org/exllamav2",
                       .methods = "exl2",
                       .markers = {Marker{"q_weight", kNoType, "", true}}};
constexpr Row kAqlm = {.name = "aqlm",
                       .long_name = "AQLM",
                       .source = "Vahe1994/AQLM",
                       .methods = "aqlm",
                       .markers = {Marker{"codebooks", kNoType, "", true}}};
constexpr Row kVptq = {.name = "vptq",
                       .long_name = "VPTQ",
                       .source = "microsoft/VPTQ",
                       .methods = "vptq",
                       .markers = {Marker{"centroids", kNoType, "", false}}};
constexpr Row kQuanto = {.name = "quanto",
                         .long_name = "optimum-quanto",
                         .source = "optimum-quanto 0.2.7",
                         .methods = "quanto",
                         .markers = {Marker{"_data", kNoType, "", true}}};
constexpr Row kTorchao = {
    .name = "torchao",
    .long_name = "torchao",
    .source = "torchao 0.15 safetensors support",
    .methods = "torchao",
    .markers = {Marker{"_weight_qdata", kNoType, "", true}, Marker{"weight", kNoType, "", false}}};
constexpr Row kGguf = {.name = "gguf",
                       .long_name = "GGUF blocks in safetensors (GPTQModel)",
                       .source = "GPTQModel f4c327a1",
                       .methods = "gguf",
                       .markers = {Marker{"qweight", DType::kU8, "", false}}};
constexpr Row kMlx = {.name = "mlx",
                      .long_name = "MLX",
                      .source = "mlx-lm, mlx 0.32.4",
                      .methods = "mlx",
                      .markers = {Marker{"weight", DType::kU32, "scales", true}},
                      .config_key = "quantization"};
constexpr Row kMxfp4 = {.name = "mxfp4",
                        .long_name = "gpt-oss MXFP4 blocks",
                        .source = "transformers 5.17 mxfp4",
                        .methods = "mxfp4",
                        .markers = {Marker{"gate_up_proj_blocks", DType::kU8, "", true},
                                    Marker{"down_proj_blocks", DType::kU8, "", true}}};
constexpr Row kQuark = {.name = "quark",
                        .long_name = "AMD Quark",
                        .source = "amd-quark 0.13",
                        .methods = "quark",
                        .markers = {Marker{"weight", DType::kI32, "weight_scale", true},
                                    Marker{"weight", kNoType, "weight_scale", false}}};
constexpr Row kModelopt = {.name = "modelopt",
                           .long_name = "NVIDIA ModelOpt",
                           .source = "nvidia-modelopt 0.47.0",
                           .methods = "modelopt modelopt_fp4 modelopt_mxfp8 modelopt_mixed",
                           .markers = {Marker{"weight", DType::kU8, "weight_scale_2", true},
                                       Marker{"weight", DType::kU8, "weight_scale", false},
                                       Marker{"weight", DType::kF8E4M3, "weight_scale", false},
                                       Marker{"weight", DType::kI8, "weight_scale", false}},
                           .side_file = "hf_quant_config.json"};
constexpr Row kFbgemm = {.name = "fbgemm_fp8",
                         .long_name = "FBGEMM FP8 rows",
                         .source = "transformers 5.17 fbgemm_fp8",
                         .methods = "fbgemm_fp8",
                         .markers = {Marker{"weight", DType::kF8E4M3, "weight_scale", false}}};
constexpr Row kFp8 = {.name = "fp8",
                      .long_name = "FP8 blocks (DeepSeek, transformers) and per tensor",
                      .source = "transformers 5.17 finegrained_fp8; vLLM fp8",
                      .methods = "fp8",
                      .markers = {Marker{"weight", DType::kF8E4M3, "weight_scale_inv", true},
                                  Marker{"weight", DType::kF8E4M3, "weight_scale", false},
                                  Marker{"weight", DType::kF8E4M3, "", false},
                                  Marker{"weight", DType::kF8E5M2, "weight_scale_inv", true}}};
constexpr Row kEetq = {.name = "eetq",
                       .long_name = "EETQ int8",
                       .source = "NetEase-FuXi/EETQ",
                       .methods = "eetq",
                       .markers = {Marker{"weight", DType::kI8, "weight_scales", true}}};
constexpr Row kBitnet = {.name = "bitnet",
                         .long_name = "BitNet ternary",
                         .source = "transformers 5.17",
                         .methods = "bitnet",
                         .markers = {Marker{"weight", DType::kU8, "weight_scale", false}}};
constexpr Row kHiggs = {.name = "higgs",
                        .long_name = "HIGGS",
                        .source = "transformers 5.17",
                        .methods = "higgs spqr",
                        .markers = {Marker{"weight", kNoType, "scales", false},
                                    Marker{"dense_weights", kNoType, "", true}}};

bool fits(const ModuleTensors& module, const Marker& marker, std::string_view suffix) {
  const TensorInfo* tensor = module.find(suffix);
  if (tensor == nullptr || (marker.dtype && tensor->dtype != *marker.dtype)) return false;
  return marker.beside.empty() || module.find(marker.beside) != nullptr;
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
  const bool keyed = !row.config_key.empty() && facts.config.find(row.config_key) != nullptr;
  const bool filed = !row.side_file.empty() && facts.side.contains(std::string(row.side_file));
  Recognition result;
  if (named) result.evidence.push_back("quant_method is " + method);
  if (keyed) result.evidence.push_back("config.json has '" + std::string(row.config_key) + "'");
  if (filed) result.evidence.push_back("there is a " + std::string(row.side_file));
  if (named || keyed) result.match = Match::kMaybe;
  for (const Marker& marker : row.markers) {
    if (marker.suffix.empty() || (!marker.unique && !named && !keyed && !filed)) continue;
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
  return refused(fmt::format("{} checkpoints ({}) cannot be read yet", row.name, row.long_name));
}

template <const Row& row>
constexpr Dialect dialect_of() {
  return {.name = row.name,
          .long_name = row.long_name,
          .source = row.source,
          .recognize = recognize<row>,
          .resolve = resolve<row>,
          .quant_methods = row.methods};
}

constexpr Dialect kDialects[] = {
    dialect_of<kBitsandbytes>(), dialect_of<kExl3>(),  dialect_of<kExl2>(),
    dialect_of<kAqlm>(),         dialect_of<kVptq>(),  dialect_of<kQuanto>(),
    dialect_of<kTorchao>(),      dialect_of<kGguf>(),  dialect_of<kMlx>(),
    dialect_of<kMxfp4>(),        dialect_of<kQuark>(), dialect_of<kModelopt>(),
    dialect_of<kFbgemm>(),       dialect_of<kFp8>(),   dialect_of<kEetq>(),
    dialect_of<kBitnet>(),       dialect_of<kHiggs>()};

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
