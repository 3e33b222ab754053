#include <algorithm>
#include <functional>
#include <iterator>
#include <span>
#include <vector>

#include "base/text.h"
#include "base/threads.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/findings.h"
#include "checkpoint/folder.h"
#include "checkpoint/state.h"
#include "dialect/gguf_keys.h"
#include "dialect/gguf_names.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

// A folder of GGUF files is a checkpoint without a config.json.
bool has_gguf(const Folder& folder) {
  const auto names = folder.names();
  return names && std::ranges::any_of(
                      *names, [](const std::string& name) { return name.ends_with(".gguf"); });
}

// The keys of the file are its config.json.
Result<void> read_gguf(Checkpoint::State& state) {
  state.findings = check_gguf(state.source);
  const std::string file = state.source.files().front().label();
  // Names that wrong keys would lead to are no help.
  if (!state.findings.empty()) {
    state.config = gguf_config(state.source);
    return {};
  }
  RQ_TRY(GgufModel model, named_as_family(std::move(state.source)));
  state.source = std::move(model.source);
  state.config = std::move(model.config);
  state.has_config = model.reason.empty();
  if (!model.reason.empty()) {
    state.findings.push_back(make_finding(Severity::kInfo, "config.absent", file,
                                          "names stay llama.cpp's: " + model.reason));
  }
  return {};
}

Result<void> read_files(const std::string& name, Checkpoint::State& state) {
  const Folder& folder = *state.folder;
  state.whole = name.empty() || name.ends_with(".json");
  RQ_TRY(auto config, read_config(folder));
  if (name.empty() && !config && !has_gguf(folder)) {
    return not_found("config.json is not there: this is no checkpoint folder");
  }
  RQ_TRY(state.source, open_source(folder, name));
  if (state.source.container() == "gguf") {
    RQ_CHECK(read_gguf(state));  // what lies beside it is of another checkpoint
  } else if (config) {
    state.has_config = true;
    state.config = std::move(config->json);
    state.config_is_ascii = config->is_ascii;
  } else {
    state.findings.push_back(make_finding(Severity::kInfo, "config.absent", "config.json",
                                          "is not there: only the tensors speak"));
  }
  state.side = read_side_files(folder, state.findings);
  if (name.empty()) {
    RQ_TRY(state.files, other_files(folder, state.source));
  }
  state.architecture = Architecture::of(state.config);
  state.facts.emplace(state.config, state.source, state.architecture, state.side);
  return {};
}

// The first that is certain; else the first that is possible.
void choose_dialect(Checkpoint::State& state) {
  for (const Match wanted : {Match::kYes, Match::kMaybe}) {
    for (const Dialect* dialect : dialects()) {
      Recognition recognition = dialect->recognize(*state.facts);
      if (recognition.match != wanted) continue;
      state.dialect = dialect;
      state.evidence = std::move(recognition.evidence);
      return;
    }
  }
  state.dialect = find_dialect("dense");
}

std::string_view error_rule(const Error& error) {
  return error.code() == ErrorCode::kRefused ? "dialect.not-readable" : "dialect.contradiction";
}

Result<void> resolve(Checkpoint::State& state, bool lenient) {
  auto resolution = state.dialect->resolve(*state.facts);
  if (resolution) {
    state.weights = std::move(resolution->weights);
    for (Finding& finding : resolution->findings) state.findings.push_back(std::move(finding));
    const auto by_name = [](const Weight& a, const Weight& b) {
      return natural_less(a.module, b.module);
    };
    if (!std::is_sorted(state.weights.begin(), state.weights.end(), by_name)) {
      std::sort(state.weights.begin(), state.weights.end(), by_name);
    }
    return {};
  }
  if (!lenient) return std::move(resolution).error();
  const Error& error = resolution.error();
  const bool is_limit = error.code() == ErrorCode::kRefused;
  Finding& finding = state.findings.emplace_back(
      make_finding(is_limit ? Severity::kWarning : Severity::kError, std::string(error_rule(error)),
                   "", error.message()));
  if (is_limit) finding.why = "convert refuses it; what is shown here is what the headers say";
  state.readable = false;
  return {};
}

// "model.norm.weight" and "x.bias" belong to a module; "embeddings.class_embedding" is one.
DenseTensor dense_tensor(const TensorInfo& tensor, const Architecture& architecture) {
  DenseTensor dense;
  const auto [module, suffix] = split_tensor_name(tensor.name);
  const bool is_part = suffix == "weight" || suffix == "bias";
  dense.is_weight = suffix == "weight";
  dense.module = is_part ? module : std::string_view(tensor.name);
  dense.place = architecture.module(dense.module, tensor.shape.size());
  dense.tensor = &tensor;
  return dense;
}

void collect_dense(Checkpoint::State& state) {
  const std::span<const TensorInfo> tensors = state.source.tensors();
  std::vector<bool> taken(tensors.size());
  for (const Weight& weight : state.weights) {
    for (const auto& [suffix, tensor] : weight.parts) {
      taken[static_cast<std::size_t>(tensor - tensors.data())] = true;
    }
  }
  state.dense.reserve(static_cast<std::size_t>(std::ranges::count(taken, false)));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!taken[i]) state.dense.push_back(dense_tensor(tensors[i], state.architecture));
  }
}

// What is looked for takes no notice of what else is found.
Result<void> find_everything(Checkpoint::State& state) {
  using Look = std::function<void(std::vector<Finding>&)>;
  std::vector<Look> looks;
  if (state.has_config) {
    looks.emplace_back([&](auto& out) { out = state.architecture.check_config(state.config); });
    looks.emplace_back([&](auto& out) { find_config_contradictions(state, out); });
    if (state.whole && state.readable) {
      looks.emplace_back([&](auto& out) { find_missing_tensors(state, out); });
    }
  }
  looks.emplace_back([&](auto& out) { find_tensor_contradictions(state, out); });
  std::vector<std::vector<Finding>> found(looks.size());
  RQ_CHECK(for_each_parallel(looks.size(), [&](std::size_t i) -> Result<void> {
    looks[i](found[i]);
    return {};
  }));
  std::vector<Finding>& findings = state.findings;
  for (auto& each : found) std::ranges::move(each, std::back_inserter(findings));
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return {};
}

// What makes every further step pointless, and no edit of metadata repairs.
bool is_fatal(const Finding& finding) {
  static constexpr std::string_view kRules[] = {"config.missing-key", "config.bad-value",
                                                "file.not-json",      "tensor.missing",
                                                "tensor.shape",       "tensor.dtype"};
  return finding.severity == Severity::kError &&
         std::find(std::begin(kRules), std::end(kRules), finding.rule) != std::end(kRules);
}

Result<void> refuse_fatal(const Checkpoint::State& state) {
  const auto at = std::find_if(state.findings.begin(), state.findings.end(), is_fatal);
  if (at == state.findings.end()) return {};
  return corrupt(at->where.empty() ? at->message : at->where + ": " + at->message);
}

// REQUIRES: state.root and state.folder are set.
Result<void> open_state(const std::string& name, bool lenient, Checkpoint::State& state) {
  RQ_CHECK(read_files(name, state));
  choose_dialect(state);
  RQ_CHECK(resolve(state, lenient));
  collect_dense(state);
  RQ_CHECK(find_everything(state));
  if (!lenient) RQ_CHECK(refuse_fatal(state));
  return {};
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& path, const OpenOptions& options) {
  const std::string label = printable(path.string(), 1024);
  std::error_code ignored;
  const fs::file_type type = fs::status(path, ignored).type();
  if (type == fs::file_type::not_found && is_address(path.string())) {
    return refused(label + ": only inspect and check read an address; download it first");
  }
  if (type == fs::file_type::not_found) return not_found(label + ": no such file or folder");
  const bool is_folder = type == fs::file_type::directory;
  auto state = std::make_unique<State>();
  state->root = is_folder ? path : path.parent_path();
  if (state->root.empty()) state->root = ".";
  state->folder = Folder::on_disk(state->root);
  const std::string name = is_folder ? "" : path.filename().string();
  RQ_CHECK_IN(open_state(name, options.lenient, *state), label);
  return Checkpoint(std::move(state));
}

Result<Checkpoint> Checkpoint::open(std::shared_ptr<const Folder> folder, const std::string& name,
                                    const OpenOptions& options) {
  auto state = std::make_unique<State>();
  state->folder = std::move(folder);
  state->root = state->folder->label();
  RQ_CHECK_IN(open_state(name, options.lenient, *state), state->folder->label());
  return Checkpoint(std::move(state));
}

}  // namespace requant
