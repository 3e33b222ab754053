#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "checkpoint/findings.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

class ConfigFindings {
 public:
  ConfigFindings(const Checkpoint::State& state, std::vector<Finding>& findings)
      : state_(state),
        findings_(findings),
        blocks_(find_config_blocks(state.config, state.architecture)) {}

  void run() {
    check_blocks();
    check_method();
    check_nesting();
    check_remote_code();
  }

 private:
  Finding& add(Severity severity, std::string rule, std::string message) {
    return findings_.emplace_back(
        make_finding(severity, std::move(rule), "config.json", std::move(message)));
  }

  void check_blocks() {
    for (const ConfigBlock& block : blocks_) {
      if (!block.block->is_object()) {
        add(Severity::kError, "config.bad-value",
            fmt::format("'{}' is {}, expected an object", name_of(block),
                        printable(block.block->dump(), 80)));
        continue;
      }
      const Json* method = block.block->find("quant_method");
      const bool may_lack =
          state_.dialect->name == "mlx" || block.path.back() == "compression_config";
      if (method == nullptr && may_lack) continue;
      if (method == nullptr || !method->is_string()) {
        add(Severity::kError, "config.bad-value",
            fmt::format("'{}.quant_method' is {}, expected the name of a method", name_of(block),
                        method == nullptr ? "missing" : printable(method->dump(), 80)));
      }
    }
    check_mlx_blocks();
    if (blocks_.size() > 1 && *blocks_[0].block != *blocks_[1].block) {
      add(Severity::kError, "config.two-blocks",
          fmt::format("'{}' and '{}' both state a quantisation", name_of(blocks_[0]),
                      name_of(blocks_[1])))
          .repair =
          "requant fix SRC -o OUT keeps the one that the tensors bear out, at the top level";
    }
  }

  // MLX writes its block under two names, one for itself and one for other programs.
  void check_mlx_blocks() {
    const Json* own = state_.facts->config.find("quantization");
    const Json* other = state_.facts->config.find("quantization_config");
    if (state_.dialect->name != "mlx" || own == nullptr || other == nullptr || *own == *other) {
      return;
    }
    add(Severity::kError, "config.two-blocks",
        "'quantization' and 'quantization_config' state two quantisations")
        .repair = "requant fix SRC -o OUT states in both what MLX reads";
  }

  // The dialect that a quant_method means; nullptr when none does.
  static const Dialect* dialect_of(std::string_view method) {
    for (const Dialect* dialect : dialects()) {
      const auto names = split(dialect->quant_methods, ' ');
      if (std::find(names.begin(), names.end(), method) != names.end()) return dialect;
    }
    return nullptr;
  }

  void check_method() {
    const std::string method = declared_method(*state_.facts);
    const Dialect& dialect = *state_.dialect;
    if (method.empty()) {
      check_absent(dialect);
      return;
    }
    const Dialect* claimed = dialect_of(method);
    if (claimed == &dialect || (claimed != nullptr && dialect.name == "dense")) return;
    Finding& finding =
        claimed == nullptr
            ? add(Severity::kError, "config.unknown-method",
                  fmt::format("'{}.quant_method' is {}, which requant does not know",
                              name_of(blocks_.front()), in_quotes(method)))
            : add(Severity::kError, "config.method-disagrees",
                  fmt::format("'{}.quant_method' is {}, the tensors are those of {}",
                              name_of(blocks_.front()), in_quotes(method), dialect.name));
    finding.expected = dialect.name;
    finding.observed = printable(method);
    if (!state_.evidence.empty()) finding.evidence = state_.evidence.back();
    finding.why = "engines choose their loader by quant_method";
  }

  void check_absent(const Dialect& dialect) {
    if (!blocks_.empty() || state_.weights.empty()) return;
    if (dialect.quant_methods.empty()) return;  // the files themselves say what each tensor is
    // lmdeploy 0.6.5 to 0.7.0 wrote none for models of several parts.
    const Severity severity = dialect.name == "lmdeploy" ? Severity::kWarning : Severity::kError;
    Finding& finding = add(severity, "config.no-quantization",
                           fmt::format("states no quantisation, and {} weights are quantised ({})",
                                       state_.weights.size(), dialect.name));
    if (!state_.evidence.empty()) finding.evidence = state_.evidence.front();
    finding.why = "engines build the model unquantised and cannot load it";
    finding.repair = "requant convert writes it";
  }

  void check_nesting() {
    for (const ConfigBlock& block : blocks_) {
      if (blocks_.front().path.size() < 2) return;  // engines find that one
      Finding& finding = add(Severity::kWarning, "config.nested-quantization",
                             fmt::format("'{}' is not at the top level", name_of(block)));
      finding.expected = block.path.back() + " at the top level of config.json";
      finding.observed = name_of(block);
      finding.why = "vLLM 0.7.3 looks at the top level only, and builds the model unquantised";
      finding.repair = "requant fix SRC -o OUT moves it there";
    }
  }

  void check_remote_code() {
    const Json* map = state_.config.find("auto_map");
    if (map == nullptr || !map->is_object()) return;
    std::set<std::string> reported;
    for (const auto& [key, value] : map->members()) {
      const auto target = value.as_string().value_or("");
      if (target.find("--") != std::string_view::npos) {
        if (reported.insert(std::string(target)).second) {
          add(Severity::kWarning, "config.remote-code",
              fmt::format("'auto_map.{}' is {}: code of another repository, never fetched here",
                          printable(key, 64), in_quotes(target)));
        }
        continue;
      }
      const std::string file = std::string(target.substr(0, target.find('.'))) + ".py";
      const auto& files = state_.files;
      if (std::binary_search(files.begin(), files.end(), file) || !reported.insert(file).second) {
        continue;
      }
      add(Severity::kWarning, "config.remote-code",
          fmt::format("'auto_map.{}' names {}, which is not in the folder", printable(key, 64),
                      in_quotes(file)))
          .why = "engines that run remote code will not find it; requant runs none";
    }
  }

  const Checkpoint::State& state_;
  std::vector<Finding>& findings_;
  std::vector<ConfigBlock> blocks_;
};

}  // namespace

void find_config_contradictions(const Checkpoint::State& state, std::vector<Finding>& findings) {
  ConfigFindings(state, findings).run();
}

}  // namespace requant
