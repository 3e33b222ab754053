#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "dialect/dialect.h"
#include "plan/chain.h"

namespace requant {

// True when the weight's tensors are just those that its codec writes for its scheme and size.
bool is_as_written(const Weight& weight);

// Where a codec keeps codes and scales as they are in the neutral form: both are then the very
// bytes of one stored tensor each, and nothing else is stored.
struct PlainParts {
  std::string codes;   // a suffix
  std::string scales;  // a suffix
};

// Asks the codec itself: a small weight of the same scheme is decoded, and its codes and scales are
// looked for among the memory of its parts. Nothing when the weight's tensors are not those that
// the codec writes, or when any other tensor takes part.
std::optional<PlainParts> plain_parts(const Weight& weight);

// How the weights of one codec and one scheme get to the target.
struct Route {
  const Codec* from = nullptr;
  Scheme source;
  const Codec* to = nullptr;  // nullptr: decoded to `dense`
  DType dense = DType::kF32;
  Chain chain;
  bool as_written = false;  // is_as_written() of its weights
  std::string asked;        // the scheme's name, where several are asked for in one plan
  std::int64_t cols = 0;    // of its weights, where they were looked at to choose the groups
  bool verbatim = false;    // the target stores such a weight in the same tensors
  // Source suffix and target suffix of tensors whose bytes go over as they are, once the weight is
  // seen to be sound; empty where the weight has to be decoded and encoded.
  std::vector<std::pair<std::string, std::string>> carried;
  PlainParts plain;  // where `carried` is not empty
};

// What decides on a way besides source and target.
struct RouteRules {
  bool keep_config = false;      // config.json stays as it is, and with it the layout of the weight
  bool may_requantise = false;   // where no exact way leads to the target
  LossSet leave = {};            // losses that may be taken where numbers do not fit
  bool searches_scales = false;  // RoundingOptions::search_scale
};

// The route of weights like this one. kRefused, naming the loss that would be needed.
Result<Route> make_route(const Weight& weight, const Dialect& from, const Target& target,
                         const Json& config, const RouteRules& rules);

}  // namespace requant
