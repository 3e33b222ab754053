#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/finding.h"

namespace requant {

class RuleRun;

// How much of a checkpoint a rule looks at. Each holds those before it.
enum class Depth : std::uint8_t {
  kHeaders,  // headers, config.json and the other small files
  kScales,   // and the scales that are small
  kCodes,    // and every byte
};

// One thing that can be wrong with a checkpoint, or is worth knowing.
struct Rule {
  std::string_view id;                     // stable: "scales.negative"
  Severity severity = Severity::kWarning;  // of its findings; where they differ, of the heaviest
  std::string_view text;                   // what is wrong, in one sentence
  std::string_view why;                    // what happens if nothing is done
  std::string_view repair = {};            // empty where nothing but a new download helps
  std::string_view threads = {};           // who met it: "vllm #45212, sglang PR #33541"
  Depth depth = Depth::kHeaders;           // that it needs
  // Adds a finding for each case. nullptr: seen while the checkpoint is opened, by what reads it.
  void (*look)(RuleRun& run) = nullptr;
  // Opening fails with one line instead of a finding.
  bool stops = false;
};

// Rules that look at the same thing: one .cpp that exports one constant.
struct RuleFamily {
  std::string_view name;  // "scales"
  std::string_view text;  // what its rules look at
  std::span<const Rule> rules;
};

// In the order of the catalogue.
std::span<const RuleFamily* const> rule_families();
// nullptr when there is none of that id.
const Rule* find_rule(std::string_view id);

}  // namespace requant
