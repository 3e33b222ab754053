// The config of bitsandbytes: one for all modules, so all are of one kind. What is not quantised is
// named where it is more than the head, which readers leave alone when they are told nothing.

#include "dialect/bitsandbytes_write.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/module_list.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "bitsandbytes";

bool is_4bit(const Scheme& scheme) { return scheme.element == Element::kCodebook; }

// The dtype that products are computed in: that of the model.
std::string compute_dtype(const Json& config) {
  for (const std::string_view key : {"torch_dtype", "dtype"}) {
    const Json* value = config.find(key);
    if (value != nullptr && value->as_string()) return std::string(*value->as_string());
  }
  return "bfloat16";
}

Json new_block(const ConfigRequest& request, const Scheme& scheme) {
  const bool four = is_4bit(scheme);
  Json block = Json::object();
  block.set("_load_in_4bit", four);
  block.set("_load_in_8bit", !four);
  block.set("bnb_4bit_compute_dtype", four ? compute_dtype(request.config) : "float32");
  block.set("bnb_4bit_quant_storage", "uint8");
  block.set("bnb_4bit_quant_type", four ? scheme.codebook : "fp4");
  block.set("bnb_4bit_use_double_quant", scheme.outer.has_value() && four);
  block.set("llm_int8_enable_fp32_cpu_offload", false);
  block.set("llm_int8_has_fp16_weight", false);
  block.set("llm_int8_skip_modules", nullptr);
  block.set("llm_int8_threshold", 6.0);
  block.set("load_in_4bit", four);
  block.set("load_in_8bit", !four);
  block.set("quant_method", kMethod);
  return block;
}

Json skipped_modules(const ConfigRequest& request) {
  const bool only_head = std::ranges::all_of(request.unquantized, [](const TargetWeight& weight) {
    return weight.place.role == Role::kLmHead;
  });
  return only_head ? Json(nullptr) : unquantized_names(request);
}

// The source's own block where it says the same: its compute dtype and threshold stay.
const Json* own_block(const ConfigRequest& request, const Json& wanted) {
  for (const ConfigBlock& block : find_config_blocks(request.config, request.architecture)) {
    if (text_at(block.block, "quant_method") != kMethod) continue;
    const auto agrees = [&](std::string_view key) {
      const Json* own = block.block->find(key);
      return own != nullptr && *own == *wanted.find(key);
    };
    if (agrees("load_in_4bit") && agrees("load_in_8bit") && agrees("bnb_4bit_quant_type") &&
        agrees("bnb_4bit_use_double_quant")) {
      return block.block;
    }
  }
  return nullptr;
}

}  // namespace

const Codec* bitsandbytes_codec_for(const Scheme& scheme) {
  if (is_4bit(scheme) && scheme.codebook.empty()) return nullptr;
  for (const char* name : {"bitsandbytes-4bit", "bitsandbytes-int8"}) {
    const Codec* codec = find_codec(name);
    if (codec->holds(scheme)) return codec;
  }
  return nullptr;
}

Result<Json> bitsandbytes_quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("bitsandbytes needs a quantised weight");
  const Scheme& scheme = request.quantized.front().scheme;
  for (const TargetWeight& weight : request.quantized) {
    const Scheme& other = weight.scheme;
    if (other.element == scheme.element && other.codebook == scheme.codebook &&
        other.outer.has_value() == scheme.outer.has_value()) {
      continue;
    }
    return refused(fmt::format("{}: bitsandbytes has one kind of weights, there are {} and {}",
                               printable(weight.module), describe(scheme), describe(other)));
  }
  Json block = new_block(request, scheme);
  if (const Json* own = own_block(request, block)) return *own;
  block.set("llm_int8_skip_modules", skipped_modules(request));
  return block;
}

}  // namespace requant
