// compressed-tensors, as llmcompressor and others write it. Here: the formats that store one code a
// byte (int-, float- and naive-quantized). The others are told apart and refused by name.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/ct_config.h"
#include "dialect/ct_ignore.h"
#include "dialect/ct_write.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "compressed-tensors";

// Suffixes of the formats that cannot be read yet, and what they are.
struct Packed {
  std::string_view suffix;
  std::optional<DType> dtype;
  std::string_view what;
};
constexpr Packed kPacked[] = {
    {"meta", DType::kI16, "marlin-24"},
    {"bitmask", std::nullopt, "sparse-24-bitmask"},
    {"weight_global_scale", std::nullopt, "nvfp4-pack-quantized"},
    {"weight_packed", DType::kI32, "pack-quantized"},
    {"weight_packed", DType::kU8, "mxfp4-pack-quantized or mxfp6-pack-quantized"},
    {"weight_scale", DType::kU8, "mxfp8-quantized"}};

// Old files say compression_config, without a quant_method.
ConfigBlock block_of(const Facts& facts) {
  ConfigBlock named = block_of_method(facts, kMethod);
  if (named.block != nullptr) return named;
  for (ConfigBlock& block : find_config_blocks(facts.config, facts.architecture)) {
    if (block.path.back() == "compression_config") return std::move(block);
  }
  return {};
}

bool is_coded(const ModuleTensors& module) {
  const TensorInfo* weight = module.find("weight");
  return weight != nullptr && module.find("weight_scale") != nullptr &&
         (weight->dtype == DType::kI8 || weight->dtype == DType::kF8E4M3);
}

const TensorInfo* first_coded(const Facts& facts) {
  if (facts.modules.first_with("weight_scale") == nullptr) return nullptr;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (is_coded(module)) return module.find("weight_scale");
  }
  return nullptr;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  const bool named = block_of(facts).block != nullptr;
  if (named) {
    result.match = Match::kMaybe;
    result.evidence.push_back(name_of(block_of(facts)) + " is of compressed-tensors");
  }
  const bool other_method = !named && !declared_method(facts).empty();
  for (const Packed& packed : kPacked) {
    const ModuleTensors* module = facts.modules.first_with(packed.suffix);
    const bool unique = packed.suffix == "weight_packed" || packed.suffix == "bitmask";
    if (module == nullptr || (!named && !unique)) continue;
    result.match = Match::kYes;
    result.evidence.push_back(describe(*module->find(packed.suffix)));
    return result;
  }
  const TensorInfo* scale = other_method ? nullptr : first_coded(facts);
  if (scale == nullptr) return result;
  // Without a config, ModelOpt's and FBGEMM's tensors have the same names.
  if (named || result.match == Match::kNo) {
    result.match = named ? Match::kYes : Match::kMaybe;
    result.evidence.push_back(describe(*scale));
  }
  return result;
}

class Resolver {
 public:
  Resolver(const Facts& facts, const CtConfig& config, std::string where)
      : facts_(facts), config_(config), where_(std::move(where)) {
    ignore_used_.resize(config.ignore.entries().size());
  }

  Result<Resolution> run() && {
    RQ_CHECK(refuse_packed());
    for (const ModuleTensors& module : facts_.modules.modules()) RQ_CHECK(add(module));
    report();
    return std::move(resolution_);
  }

 private:
  Result<void> refuse_packed() const {
    for (const Packed& packed : kPacked) {
      const ModuleTensors* module = facts_.modules.first_with(packed.suffix);
      if (module == nullptr) continue;
      const TensorInfo* tensor = module->find(packed.suffix);
      if (packed.dtype && tensor->dtype != *packed.dtype) continue;
      return refused(fmt::format("{}: compressed-tensors format {} cannot be read yet",
                                 describe(*tensor), packed.what));
    }
    return {};
  }

  struct Claim {
    const CtGroup* group = nullptr;
    bool ignored = false;
  };

  Result<Claim> claim_of(std::string_view module, Role role) {
    Claim claim;
    const std::string_view class_name = ct_class_of(role);
    RQ_TRY_IN(const auto ignored, config_.ignore.find(module, class_name), where_ + ".ignore");
    if (ignored) {
      ignore_used_[ignored->entry] = true;
      claim.ignored = true;
      return claim;
    }
    auto best = NameRules::Rank::kClass;
    for (const CtGroup& group : config_.groups) {
      RQ_TRY_IN(const auto hit, group.targets.find(module, class_name), where_ + ".targets");
      if (!hit || (claim.group != nullptr && hit->rank >= best)) continue;
      claim.group = &group;
      best = hit->rank;
    }
    if (claim.group != nullptr && !claim.group->quantises) claim.group = nullptr;
    return claim;
  }

  Result<void> add(const ModuleTensors& module) {
    const TensorInfo* weight = module.find("weight");
    const bool has_scale = module.find("weight_scale") != nullptr;
    if (weight == nullptr && !has_scale) return {};
    const Module place = place_of(module, facts_);
    const bool codes =
        weight != nullptr && (weight->dtype == DType::kI8 || weight->dtype == DType::kF8E4M3);
    // Embeddings, norms and biases of other modules are nobody's target here.
    if (!codes && !has_scale && !is_dense_linear(module, place)) return {};
    RQ_TRY(const Claim claim, claim_of(module.module, place.role));
    if (!codes) return add_dense(module, place, claim, has_scale);
    if (!has_scale) {
      return corrupt(fmt::format("{}, and {}.weight_scale is missing", describe(*weight),
                                 printable(module.module)));
    }
    return add_quantised(module, place, claim);
  }

  Result<void> add_dense(const ModuleTensors& module, const Module& place, const Claim& claim,
                         bool has_scale) {
    if (module.find("weight") == nullptr) {
      return corrupt(fmt::format("{}, and there is no weight beside it",
                                 describe(*module.find("weight_scale"))));
    }
    if (has_scale) fake_quantised_.add(module.module);
    if (claim.group == nullptr || has_scale) return {};
    (place.role == Role::kRouter ? dense_routers_ : targeted_dense_).add(module.module);
    return {};
  }

  Result<void> add_quantised(const ModuleTensors& module, const Module& place, const Claim& claim) {
    Scheme declared;
    if (claim.group != nullptr) {
      declared = claim.group->declared;
    } else {
      (claim.ignored ? ignored_quantised_ : untargeted_).add(module.module);
      if (!config_.groups.empty()) declared = config_.groups.front().declared;
    }
    RQ_TRY(auto weight, decode_scheme(module, place, declared));
    if (claim.group != nullptr) check_declared(module, weight.scheme, declared);
    resolution_.weights.push_back(std::move(weight));
    return {};
  }

  Result<Weight> decode_scheme(const ModuleTensors& module, const Module& place,
                               const Scheme& declared) const {
    const bool is_static = declared.activations.kind == ActivationKind::kStatic;
    if (is_static && module.find("input_scale") == nullptr) {
      return corrupt(
          fmt::format("{}.input_scale is missing, and the config says that activations "
                      "are static",
                      printable(module.module)));
    }
    if (declared.offset == Offset::kZero && module.find("weight_zero_point") == nullptr) {
      return corrupt(
          fmt::format("{}.weight_zero_point is missing, and the config says symmetric "
                      "false",
                      printable(module.module)));
    }
    const Codec& codec = *find_codec("ct-quantized");
    auto weight = is_static
                      ? weight_of(module, place,
                                  {"weight", "weight_scale", "weight_zero_point", "input_scale",
                                   "input_zero_point"},
                                  declared, codec)
                      : weight_of(module, place, {"weight", "weight_scale", "weight_zero_point"},
                                  declared, codec);
    const TensorInfo& codes = *module.find("weight");
    const TensorInfo& scale = *module.find("weight_scale");
    if (!weight) {
      return corrupt(fmt::format("{}: no grid of scales for {} (the config says {})",
                                 describe(scale), describe(codes),
                                 requant::describe(declared.grid)));
    }
    weight->rows = codes.shape[0];
    weight->cols = codes.shape[1];
    return *std::move(weight);
  }

  void check_declared(const ModuleTensors& module, const Scheme& stored, const Scheme& declared) {
    if (stored.element != declared.element) other_element_.add(module.module);
    if (stored.grid != declared.grid) other_grid_.add(module.module);
  }

  Finding& add_finding(Severity severity, std::string rule, std::string message) {
    return resolution_.findings.emplace_back(
        make_finding(severity, std::move(rule), "config.json", std::move(message)));
  }

  void report() {
    if (ignored_quantised_.any()) {
      add_finding(Severity::kError, "config.ignored-but-quantised",
                  fmt::format("'{}.ignore' covers {}, which is stored quantised", where_,
                              ignored_quantised_.text()))
          .why =
          "engines build it unquantised: they load its codes as if they were values, or do not "
          "load";
    }
    if (targeted_dense_.any()) {
      Finding& finding = add_finding(Severity::kError, "config.targeted-but-dense",
                                     fmt::format("'{}' targets {}, which is stored unquantised",
                                                 where_, targeted_dense_.text()));
      finding.why = "engines build it quantised and leave its scale at the initial value, silently";
      finding.repair = "add it to 'ignore'";
    }
    if (dense_routers_.any()) {
      add_finding(Severity::kInfo, "config.targeted-router",
                  fmt::format("'{}' targets the router {}, which is stored unquantised", where_,
                              dense_routers_.text()));
    }
    if (untargeted_.any()) {
      add_finding(Severity::kError, "config.untargeted-but-quantised",
                  fmt::format("no target of '{}' matches {}, which is stored quantised", where_,
                              untargeted_.text()));
    }
    report_schemes();
    report_stale();
  }

  void report_schemes() {
    if (other_element_.any()) {
      add_finding(Severity::kError, "config.scheme-disagrees",
                  fmt::format("'{}' states another element type than {} has", where_,
                              other_element_.text()));
    }
    if (other_grid_.any()) {
      add_finding(Severity::kError, "config.scheme-disagrees",
                  fmt::format("'{}' states another strategy than the scales of {} have", where_,
                              other_grid_.text()));
    }
    if (fake_quantised_.any()) {
      add_finding(
          Severity::kWarning, "ct.fake-quantised",
          fmt::format("{} has a weight_scale beside a weight of floats: it is taken as it is",
                      fake_quantised_.text()));
    }
  }

  void report_stale() {
    const Json* tied = facts_.config.find("tie_word_embeddings");
    const bool is_tied = tied != nullptr && tied->as_bool().value_or(false);
    for (std::size_t i = 0; i < ignore_used_.size(); ++i) {
      const std::string& entry = config_.ignore.entries()[i];
      // Every tool writes lm_head, also where it is tied to the embedding and not stored.
      if (ignore_used_[i] || (is_tied && entry.ends_with("lm_head"))) continue;
      if (++stale_ > 3) continue;
      add_finding(
          Severity::kWarning, "config.stale-ignore",
          fmt::format("'{}.ignore' has {}, which matches no module", where_, in_quotes(entry)))
          .why =
          "a name that went stale leaves modules quantised, or unquantised, that should not be";
    }
  }

  const Facts& facts_;
  const CtConfig& config_;
  std::string where_;
  Resolution resolution_;
  std::vector<bool> ignore_used_;
  Modules ignored_quantised_;
  Modules targeted_dense_;
  Modules dense_routers_;
  Modules untargeted_;
  Modules other_element_;
  Modules other_grid_;
  Modules fake_quantised_;
  int stale_ = 0;
};

Result<void> refuse_formats(const CtConfig& config, const std::string& where) {
  RQ_TRY_IN(const bool readable, ct_format_is_readable(config.format), where);
  if (!readable) {
    return refused(fmt::format("compressed-tensors format {} cannot be read yet", config.format));
  }
  for (const CtGroup& group : config.groups) {
    RQ_TRY_IN(const bool group_readable, ct_format_is_readable(group.format), where);
    if (!group_readable) {
      return refused(fmt::format("{}: compressed-tensors format {} cannot be read yet",
                                 printable(group.name, 64), group.format));
    }
  }
  return {};
}

Result<Resolution> resolve(const Facts& facts) {
  const ConfigBlock block = block_of(facts);
  if (block.block == nullptr) {
    const CtConfig none;
    return Resolver(facts, none, "config.json").run();
  }
  const std::string where = name_of(block);
  RQ_TRY_IN(const CtConfig config, parse_ct_config(*block.block), "config.json: " + where);
  RQ_CHECK(refuse_formats(config, "config.json: " + where));
  return Resolver(facts, config, where).run();
}

WriterGuess writer(const Facts& facts) {
  const ConfigBlock block = block_of(facts);
  WriterGuess guess;
  if (block.block == nullptr) return guess;
  const std::string version = printable(text_at(block.block, "version"), 32);
  guess.tool = "llm-compressor";
  if (!version.empty()) {
    guess.version = "with compressed-tensors " + version;
    guess.evidence = {name_of(block) + ".version is " + version};
  } else if (block.block->find("global_compression_ratio") != nullptr) {
    guess.version = "up to 0.6";
    guess.evidence = {name_of(block) +
                      " has no version, as compressed-tensors wrote it up to 0.10"};
  } else {
    guess.tool.clear();
    guess.evidence = {name_of(block) +
                      " has neither version nor global_compression_ratio: a "
                      "converter wrote it"};
  }
  return guess;
}

const Codec* codec_for(const Scheme& scheme) {
  const Codec* codec = find_codec("ct-quantized");
  return codec->holds(scheme) ? codec : nullptr;
}

}  // namespace

extern const Dialect k_dialect_compressed_tensors;
const Dialect k_dialect_compressed_tensors = {
    .name = kMethod,
    .long_name = "llm-compressor: int8 and fp8, one code a byte",
    .source = "vllm-project/compressed-tensors 0.19.0",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantization_config = ct_quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
