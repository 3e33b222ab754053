// compressed-tensors, as llm-compressor and others write it: which config and which tensors are of
// this dialect. ct_config.h has what the config states, ct_store.h how weights are stored,
// ct_resolve.h both together, ct_write.h the way back.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/ct_config.h"
#include "dialect/ct_resolve.h"
#include "dialect/ct_store.h"
#include "dialect/ct_write.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "compressed-tensors";

// Old files say compression_config, without a quant_method.
ConfigBlock block_of(const Facts& facts) {
  ConfigBlock named = block_of_method(facts, kMethod);
  if (named.block != nullptr) return named;
  for (ConfigBlock& block : find_config_blocks(facts.config, facts.architecture)) {
    if (block.path.back() == "compression_config") return std::move(block);
  }
  return {};
}

// Suffixes that no other dialect has; the rest needs the config's word.
bool is_unique(const CtForm& form) {
  return form.key == "weight_packed" || form.key == "bitmask" || form.key == "scale_packed";
}

// The first module that is stored quantised.
const ModuleTensors* first_coded(const Facts& facts) {
  bool any = false;
  for (const std::string_view suffix :
       {"weight_scale", "weight_packed", "bitmask", "scale_packed"}) {
    any = any || facts.modules.first_with(suffix) != nullptr;
  }
  if (!any) return nullptr;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const CtForm* form = ct_form_of(module);
    if (form == nullptr) continue;
    if (is_unique(*form) || module.find("weight_scale") != nullptr) return &module;
  }
  return nullptr;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  const ConfigBlock block = block_of(facts);
  const bool named = block.block != nullptr;
  if (named) {
    result.match = Match::kMaybe;
    result.evidence.push_back(name_of(block) + " is of compressed-tensors");
  }
  const bool other_method = !named && !declared_method(facts).empty();
  const ModuleTensors* module = first_coded(facts);
  if (module == nullptr) return result;
  const CtForm& form = *ct_form_of(*module);
  if (!named && other_method && !is_unique(form)) return result;
  // Without a config, ModelOpt's and FBGEMM's tensors have the same names.
  result.match = named || is_unique(form) ? Match::kYes : Match::kMaybe;
  const bool plain = module->find("weight_scale") != nullptr && module->find("weight") != nullptr;
  result.evidence.push_back(describe(*module->find(plain ? "weight_scale" : form.key)));
  return result;
}

Result<Resolution> resolve(const Facts& facts) {
  const ConfigBlock block = block_of(facts);
  if (block.block == nullptr) return ct_resolve(facts, {}, "config.json", false);
  const std::string where = name_of(block);
  RQ_TRY_IN(const CtConfig config, parse_ct_config(*block.block), "config.json: " + where);
  return ct_resolve(facts, config, where, block.path.size() > 1);
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

}  // namespace

extern const Dialect k_dialect_compressed_tensors;
const Dialect k_dialect_compressed_tensors = {
    .name = kMethod,
    .long_name = "llm-compressor: int1 to int8, fp8, nvfp4, mxfp4, mxfp6, mxfp8, sparse",
    .source = "vllm-project/compressed-tensors 0.19.0",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = ct_codec_for,
    .quantization_config = ct_quantization_config,
    .kv_scales = KvScales::kAttention,
    .quant_methods = kMethod,
};

}  // namespace requant
