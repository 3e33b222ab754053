#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/situation.h"

namespace requant {

// One thing that the engine's rules say of a checkpoint.
struct Judgement {
  std::string rule;
  Effect effect = Effect::kReject;
  Truth truth = Truth::kYes;  // kUnknown: it may be so; `unknown` says what it hangs on
  std::string where;          // a config key, a module, a tensor
  std::string expected;
  std::string observed;
  std::string message;  // the engine's own words, filled in
  std::string reason;
  std::string src;
  std::string unknown;
  std::vector<std::string> fixes;
};

// Every judgement that holds, and every rejection that may hold, in the order of evaluation
// (architecture, method, config, schemes, kernels, shapes, tensors).
std::vector<Judgement> evaluate(const Situation& situation);

Verdict verdict_of(const std::vector<Judgement>& judgements);

// `text` with {method}, {list}, {bits} ... replaced by what `facts` know; names that they do not
// know stay as they are.
std::string fill_in(std::string_view text, const EngineFacts& facts);

}  // namespace requant
