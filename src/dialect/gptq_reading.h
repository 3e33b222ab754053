#pragma once

#include <string>
#include <vector>

#include "dialect/gptq_config.h"

namespace requant {

// How the tensors of a GPTQ checkpoint are to be read: what the config says, put right by the zero
// points and groups of the first quantised module where these show that it is wrong. Symmetric zero
// points are all the same, so they show which version they are; others do not.
struct GptqReading {
  GptqFormat format = GptqFormat::kV1;
  bool by_words = false;     // v1: zero points minus one word by word
  bool trusts_sym = true;    // false: `sym` is true, and zero points differ
  bool trusts_order = true;  // false: desc_act is false, and groups are out of order

  // The codec for a weight of that declared scheme.
  const Codec& codec(const Scheme& declared) const;
  // The declared scheme, without what is not to be trusted.
  Scheme scheme(const GptqSettings& settings) const;
};

// [in x b / 32, out] against scales [groups, out] and qzeros [groups, ...].
bool has_gptq_shape(const ModuleTensors& module);

Result<GptqReading> find_gptq_reading(const Facts& facts, const GptqConfig& config,
                                      std::vector<Finding>& findings);

}  // namespace requant
