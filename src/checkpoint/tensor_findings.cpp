#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/name_index.h"
#include "base/text.h"
#include "checkpoint/findings.h"
#include "codec/parts.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// Experts in one tensor, of elements that are no numbers without a scale.
bool is_stack_of_codes(const TensorInfo& tensor) {
  return tensor.shape.size() == 3 && element_of(tensor.dtype) && info(tensor.dtype).bits == 8;
}

// Weights of norms and the like that no engine can load as numbers.
void check_dtypes(const Checkpoint::State& state, std::vector<Finding>& findings) {
  if (!state.readable) return;
  Modules odd;
  const TensorInfo* first = nullptr;
  for (const DenseTensor& dense : state.dense) {
    const Role role = dense.place.role;
    const bool counts = dense.is_weight && (role == Role::kNorm || role == Role::kConv ||
                                            role == Role::kEmbedding || is_linear_like(role));
    if (!(counts || is_stack_of_codes(*dense.tensor)) || is_float(dense.tensor->dtype)) continue;
    if (dense.tensor->shape.size() > 1 && state.dialect->name == "dense") continue;  // it says so
    if (!odd.any()) first = dense.tensor;
    odd.add(dense.module);
  }
  if (first == nullptr) return;
  Finding& finding = findings.emplace_back(
      make_finding(Severity::kError, "tensor.dtype", printable(first->name),
                   fmt::format("is {}, expected F32, F16 or BF16", name_of(first->dtype))));
  if (odd.count() > 1) finding.message += fmt::format(" (and so are {} more)", odd.count() - 1);
  finding.observed = name_of(first->dtype);
}

// The dtype that holds most of the unquantised bytes of a tower; nothing when there are none.
std::optional<DType> main_dtype(const Checkpoint::State& state, bool language_only) {
  std::array<std::uint64_t, static_cast<std::size_t>(DType::kCount)> bytes{};
  for (const DenseTensor& dense : state.dense) {
    if (!is_float(dense.tensor->dtype) || !dense.is_weight) continue;
    if (language_only && dense.place.tower != Tower::kLanguage) continue;
    bytes[static_cast<std::size_t>(dense.tensor->dtype)] += dense.tensor->bytes;
  }
  const auto most = std::max_element(bytes.begin(), bytes.end());
  if (*most == 0) return std::nullopt;
  return static_cast<DType>(most - bytes.begin());
}

void check_dtype_claim(const Checkpoint::State& state, const Json& config,
                       const std::string& prefix, std::vector<Finding>& findings) {
  for (const char* key : {"torch_dtype", "dtype"}) {
    const Json* claim = config.find(key);
    std::string_view name = claim == nullptr ? "" : claim->as_string().value_or("");
    if (name.starts_with("torch.")) name.remove_prefix(6);
    const auto claimed = dtype_of_torch(name);
    const auto stored = main_dtype(state, !prefix.empty());
    if (!claimed || !stored || *claimed == *stored) continue;
    Finding& finding = findings.emplace_back(
        make_finding(Severity::kWarning, "config.dtype-disagrees", "config.json",
                     fmt::format("'{}{}' says {}, most unquantised weights are stored as {}",
                                 prefix, key, name, name_of(*stored))));
    finding.expected = torch_name_of(*stored);
    finding.observed = name;
    finding.why = "engines cast to the dtype that config.json names";
  }
}

const DenseTensor* find_role(const Checkpoint::State& state, Role role) {
  for (const DenseTensor& dense : state.dense) {
    if (dense.place.role == role && dense.place.tower == Tower::kLanguage && dense.is_weight) {
      return &dense;
    }
  }
  return nullptr;
}

void check_tied_head(const Checkpoint::State& state, std::vector<Finding>& findings) {
  const Json* tied = state.config.find("tie_word_embeddings");
  if (tied == nullptr || !tied->as_bool().value_or(false)) return;
  const DenseTensor* head = find_role(state, Role::kLmHead);
  if (head == nullptr) return;
  const bool shared = !head->tensor->shares_with().empty();
  Finding& finding = findings.emplace_back(
      make_finding(shared ? Severity::kInfo : Severity::kWarning, "tensor.tied-head-stored",
                   printable(head->tensor->name),
                   shared ? "is stored beside the embedding that it shares memory with"
                          : "is stored although config.json ties it to the embedding"));
  finding.why = shared ? "safetensors writers store it once"
                       : "some engines use it and some use the embedding";
}

void check_towers(const Checkpoint::State& state, std::vector<Finding>& findings) {
  Modules quantised;
  for (const Weight& weight : state.weights) {
    if (weight.place.tower != Tower::kLanguage) quantised.add(weight.module);
  }
  if (!quantised.any()) return;
  Finding& finding = findings.emplace_back(
      make_finding(Severity::kWarning, "tensor.quantised-tower", quantised.first(),
                   fmt::format("is quantised, with {} modules of towers beside the language model",
                               quantised.count())));
  finding.why = "recipes leave vision towers alone; a stale ignore list quantises them unnoticed";
}

// .bin and .pth files are pickles: a program, in the hands of other readers.
void check_files(const Checkpoint::State& state, std::vector<Finding>& findings) {
  for (const std::string& note : state.source.notes()) {
    findings.push_back(make_finding(Severity::kInfo, "file.note", "", printable(note, 400)));
  }
  if (state.source.container() == "pytorch") {
    Finding& finding = findings.emplace_back(
        make_finding(Severity::kInfo, "file.pickle", "", "the weights are PyTorch pickle files"));
    finding.why = "other readers run the program inside; requant reads the data and runs nothing";
    finding.repair = "requant convert writes safetensors";
  }
}

}  // namespace

void find_tensor_contradictions(const Checkpoint::State& state, std::vector<Finding>& findings) {
  check_dtypes(state, findings);
  check_dtype_claim(state, state.config, "", findings);
  for (const std::string& key : state.architecture.language_config_keys()) {
    const Json* config = state.config.find(key);
    if (config != nullptr) check_dtype_claim(state, *config, key + ".", findings);
  }
  check_tied_head(state, findings);
  check_towers(state, findings);
  check_files(state, findings);
}

void find_missing_tensors(const Checkpoint::State& state, std::vector<Finding>& findings) {
  NameIndex quantised(state.weights.size());
  const auto module_of = [&](std::uint32_t i) { return std::string_view(state.weights[i].module); };
  for (std::uint32_t i = 0; i < state.weights.size(); ++i) {
    quantised.insert(state.weights[i].module, i, module_of);
  }
  const auto shape_of = [&](std::string_view name) -> const std::vector<std::int64_t>* {
    const auto [module, suffix] = split_tensor_name(name);
    const std::uint32_t at =
        suffix == "weight" ? quantised.find(module, module_of) : NameIndex::kNone;
    if (at != NameIndex::kNone) {
      thread_local std::vector<std::int64_t> decoded;  // what the last answer points to
      decoded = {state.weights[at].rows, state.weights[at].cols};
      return &decoded;
    }
    const TensorInfo* tensor = state.source.find(name);
    return tensor == nullptr ? nullptr : &tensor->shape;
  };
  for (Finding& finding : state.architecture.check_tensors(state.config, shape_of)) {
    findings.push_back(std::move(finding));
  }
}

}  // namespace requant
