#include "dialect/gptq_check.h"

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

struct Mismatch {
  Modules modules;
  std::int64_t stated = 0;
  std::int64_t found = 0;

  void add(std::string_view module, std::int64_t says, std::int64_t has) {
    if (!modules.any()) {
      stated = says;
      found = has;
    }
    modules.add(module);
  }
};

void say_mismatch(const Mismatch& mismatch, std::string_view key, std::string_view rule,
                  const GptqConfig& config, Resolution& resolution) {
  if (!mismatch.modules.any()) return;
  Finding& finding = resolution.findings.emplace_back(
      make_finding(Severity::kError, std::string(rule), "config.json",
                   fmt::format("'{}' states {} {}, the tensors of {} have {}", config.where, key,
                               mismatch.stated, mismatch.modules.text(), mismatch.found)));
  finding.expected = std::to_string(mismatch.found);
  finding.observed = std::to_string(mismatch.stated);
  finding.why = "engines size their parameters by the config";
}

void say_unstated(const Modules& modules, std::string_view key, std::string_view rule,
                  const GptqConfig& config, Resolution& resolution) {
  if (!modules.any()) return;
  resolution.findings
      .emplace_back(
          make_finding(Severity::kError, std::string(rule), "config.json",
                       fmt::format("'{}' states no {} for {}", config.where, key, modules.text())))
      .why = "engines size their parameters by the config";
}

Result<void> check_weights(const GptqConfig& config, Resolution& resolution) {
  Mismatch bits;
  Mismatch groups;
  Modules no_bits;
  Modules no_group;
  Modules excluded;
  bool head = false;
  for (const Weight& weight : resolution.weights) {
    head |= weight.place.role == Role::kLmHead;
    RQ_TRY(const auto settings, config.of(weight.module));
    if (!settings) {
      excluded.add(weight.module);
      continue;
    }
    if (settings->bits == 0) no_bits.add(weight.module);
    if (settings->group == 0) no_group.add(weight.module);
    if (settings->bits != 0 && settings->bits != weight.scheme.bits) {
      bits.add(weight.module, settings->bits, weight.scheme.bits);
    }
    const Grid& grid = weight.scheme.grid;
    const std::int64_t group = grid.is_channel() ? weight.cols : grid.block_cols;
    const std::int64_t claim = settings->group == -1 ? weight.cols : settings->group;
    if (claim != 0 && claim != group) groups.add(weight.module, claim, group);
  }
  say_mismatch(bits, "bits", "gptq.bits", config, resolution);
  say_mismatch(groups, "group_size", "gptq.group-size", config, resolution);
  say_unstated(no_bits, "bits", "gptq.bits", config, resolution);
  say_unstated(no_group, "group_size", "gptq.group-size", config, resolution);
  if (excluded.any()) {
    Finding& finding = resolution.findings.emplace_back(
        make_finding(Severity::kError, "config.excluded-but-quantised", "config.json",
                     fmt::format("'{}.dynamic' excludes {}, which is quantised", config.where,
                                 excluded.text())));
    finding.why = "engines build that module unquantised and cannot load its qweight";
  }
  if (head != config.lm_head && !resolution.weights.empty()) {
    Finding& finding = resolution.findings.emplace_back(make_finding(
        Severity::kError, "gptq.lm-head", "config.json",
        fmt::format("'{}.lm_head' is {}, and the head is stored {}", config.where,
                    config.lm_head ? "true" : "false", head ? "quantised" : "unquantised")));
    finding.repair = fmt::format("state lm_head {}", head ? "true" : "false");
  }
  return {};
}

// Linears of the language model that readers would look for in quantised form. Routers and towers
// are exempt by the loaders' own lists.
Result<void> check_unlisted(const Facts& facts, const GptqConfig& config, Resolution& resolution) {
  Modules unlisted;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const Module place = place_of(module, facts);
    if (place.role == Role::kLmHead || place.role == Role::kRouter ||
        place.tower != Tower::kLanguage || !is_dense_linear(module, place)) {
      continue;
    }
    RQ_TRY(const auto settings, config.of(module.module));
    if (settings) unlisted.add(module.module);
  }
  if (!unlisted.any()) return {};
  Finding& finding = resolution.findings.emplace_back(
      make_finding(Severity::kWarning, "config.targeted-but-dense", "config.json",
                   fmt::format("'{}.dynamic' does not exclude {}, which is stored unquantised",
                               config.where, unlisted.text())));
  finding.why = "engines build every Linear quantised that no rule excludes";
  finding.repair = "requant convert writes the rules";
  return {};
}

}  // namespace

Result<void> check_gptq_config(const Facts& facts, const GptqConfig& config,
                               Resolution& resolution) {
  if (config.block == nullptr || resolution.weights.empty()) return {};
  RQ_CHECK(check_weights(config, resolution));
  return check_unlisted(facts, config, resolution);
}

}  // namespace requant
