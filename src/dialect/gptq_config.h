#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/dialect.h"
#include "dialect/name_rules.h"

namespace requant {

// What a GPTQ config says of one module.
struct GptqSettings {
  int bits = 0;               // 0: not said
  std::int64_t group = 0;     // 0: not said; -1: the whole row
  std::optional<bool> sym;    // zero points are all 2^(bits - 1)
  std::optional<bool> order;  // desc_act: groups are out of order, unless static_groups

  // As codecs are told it. What is not said is taken for what holds every case.
  Scheme scheme() const;
};

// A line of `dynamic`: a regular expression, matched from the start of a module's name.
struct GptqRule {
  std::string text;  // as in the file
  NamePattern pattern;
  bool excludes = false;  // "-:": not quantised
  GptqSettings settings;  // what it overrides
};

enum class GptqFormat { kUnstated, kV1, kV2, kPlanar, kMarlin };

struct GptqConfig {
  std::string where;  // "quantization_config"; what messages call it
  const Json* block = nullptr;
  GptqSettings settings;
  GptqFormat format = GptqFormat::kUnstated;
  std::string_view format_key = "checkpoint_format";  // where it is stated
  std::string quantizer;       // of meta: "gptqmodel:7.7.0"; empty where it does not say
  bool by_words = false;       // its writer makes v1 zero points word by word
  bool from_autogptq = false;  // which writes v1 and does not say so
  bool lm_head = false;
  std::vector<GptqRule> rules;

  // The settings of a module; nothing where a rule excludes it. The first rule that matches counts.
  Result<std::optional<GptqSettings>> of(std::string_view module) const;
};

// The block of config.json or, without one, quantize_config.json; an empty config where there is
// neither. What the two say differently becomes a finding. kCorrupt for values of the wrong kind,
// kRefused for formats that cannot be read; both name the key.
Result<GptqConfig> read_gptq_config(const Facts& facts, std::vector<Finding>& findings);

// Whether a quant_method is GPTQ's.
bool is_gptq_method(std::string_view method);

}  // namespace requant
