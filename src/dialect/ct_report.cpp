#include "dialect/ct_report.h"

#include <fmt/format.h>

#include "base/text.h"

namespace requant {
namespace {

class Report {
 public:
  Report(const CtDisagreements& found, const CtConfig& config, const std::string& where,
         const Facts& facts)
      : found_(found), config_(config), where_(where), facts_(facts) {}

  std::vector<Finding> run() && {
    add_coverage();
    add_schemes();
    add_stale();
    add_kv_scales();
    if (found_.not_decoded.any()) {
      add(Severity::kWarning, "dialect.not-readable",
          fmt::format("{} is stored as marlin-24, which is recognised and cannot be decoded",
                      found_.not_decoded.text()))
          .why =
          "the library never decoded the order of marlin's 2:4 tiles; serve it as it is, or "
          "quantise the model again";
    }
    return std::move(findings_);
  }

 private:
  Finding& add(Severity severity, std::string rule, std::string message) {
    return findings_.emplace_back(
        make_finding(severity, std::move(rule), "config.json", std::move(message)));
  }

  void add_coverage() {
    if (found_.ignored_quantised.any()) {
      add(Severity::kError, "config.ignored-but-quantised",
          fmt::format("'{}.ignore' covers {}, which is stored quantised", where_,
                      found_.ignored_quantised.text()))
          .why =
          "engines build it unquantised: they load its codes as if they were values, or do not "
          "load";
    }
    if (found_.targeted_dense.any()) {
      Finding& finding = add(Severity::kError, "config.targeted-but-dense",
                             fmt::format("'{}' targets {}, which is stored unquantised", where_,
                                         found_.targeted_dense.text()));
      finding.why = "engines build it quantised and leave its scale at the initial value, silently";
      finding.repair = "add it to 'ignore'";
    }
    if (found_.dense_routers.any()) {
      add(Severity::kInfo, "config.targeted-router",
          fmt::format("'{}' targets the router {}, which is stored unquantised", where_,
                      found_.dense_routers.text()));
    }
    if (found_.untargeted.any()) {
      add(Severity::kError, "config.untargeted-but-quantised",
          fmt::format("no target of '{}' matches {}, which is stored quantised", where_,
                      found_.untargeted.text()));
    }
  }

  void add_schemes() {
    if (found_.other_element.any()) {
      add(Severity::kError, "config.scheme-disagrees",
          fmt::format("'{}' states another element type than {} has", where_,
                      found_.other_element.text()));
    }
    if (found_.other_grid.any()) {
      add(Severity::kError, "config.scheme-disagrees",
          fmt::format("'{}' states another strategy than the scales of {} have", where_,
                      found_.other_grid.text()));
    }
    if (found_.other_format.any()) {
      add(Severity::kWarning, "config.format-disagrees",
          fmt::format("'{}' states another format than that in which {} is stored", where_,
                      found_.other_format.text()))
          .why = "engines choose the names and shapes of the tensors that they load by the format";
    }
    if (found_.fake_quantised.any()) {
      add(Severity::kWarning, "ct.fake-quantised",
          fmt::format("{} has a weight_scale beside a weight of floats: it is taken as it is",
                      found_.fake_quantised.text()));
    }
  }

  void add_stale() {
    const Json* tied = facts_.config.find("tie_word_embeddings");
    const bool is_tied = tied != nullptr && tied->as_bool().value_or(false);
    int stale = 0;
    for (std::size_t i = 0; i < found_.ignore_used.size(); ++i) {
      const std::string& entry = config_.ignore.entries()[i];
      // Every tool writes lm_head, also where it is tied to the embedding and not stored.
      if (found_.ignore_used[i] || (is_tied && entry.ends_with("lm_head"))) continue;
      if (++stale > 3) continue;
      add(Severity::kWarning, "config.stale-ignore",
          fmt::format("'{}.ignore' has {}, which matches no module", where_, in_quotes(entry)))
          .why =
          "a name that went stale leaves modules quantised, or unquantised, that should not be";
    }
  }

  // Scales of the KV cache and of attention stay as they are, beside the weights.
  void add_kv_scales() {
    Modules scaled;
    for (const ModuleTensors& module : facts_.modules.modules()) {
      for (const std::string_view suffix : {"k_scale", "v_scale", "q_scale", "output_scale"}) {
        if (module.find(suffix) == nullptr) continue;
        scaled.add(module.module);
        break;
      }
    }
    const std::string scheme = config_.kv_cache ? config_.kv_cache->text : "";
    if (!scaled.any() && scheme.empty()) return;
    if (scaled.any()) {
      add(Severity::kInfo, "ct.kv-scales",
          fmt::format("{} has scales of its cache{}{}", scaled.text(), scheme.empty() ? "" : ": ",
                      scheme));
    } else if (config_.kv_cache->is_static) {
      add(Severity::kWarning, "ct.kv-scales",
          fmt::format("'{}.kv_cache_scheme' is {}, and no attention has a k_scale", where_, scheme))
          .why = "engines take scales of 1 for those that are missing";
    }
  }

  const CtDisagreements& found_;
  const CtConfig& config_;
  const std::string& where_;
  const Facts& facts_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> ct_findings(const CtDisagreements& found, const CtConfig& config,
                                 const std::string& where, const Facts& facts) {
  return Report(found, config, where, facts).run();
}

}  // namespace requant
