#pragma once

#include <string>
#include <vector>

#include "requant/finding.h"

namespace requant {

// One row of the catalogue of what can be wrong with a checkpoint.
struct RuleInfo {
  std::string family;                      // "scales"
  std::string id;                          // "scales.negative": the rule of its findings
  Severity severity = Severity::kWarning;  // of the heaviest of its findings
  std::string text;                        // what is wrong
  std::string why;                         // what happens if nothing is done
  std::string repair;
  std::string reads;    // "headers", "scales", "codes"
  std::string threads;  // who met it: "vllm #45212"; empty: nobody wrote of it
};

// By family, in the order of the catalogue. The rules of engines are not among them: those are
// data (requant engines).
std::vector<RuleInfo> rules();

// "schema": "requant/rules/1".
std::string to_json(const std::vector<RuleInfo>& rules);
// docs/rules.md.
std::string to_markdown(const std::vector<RuleInfo>& rules);

}  // namespace requant
