#include "engine/tensor_names.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "engine/dispatch.h"

namespace requant {

namespace {

struct Registered {
  std::string layer;  // the engine's class; "an unquantised layer"
  std::vector<std::string> names;
  std::string src;
};

// Where the engine hands a dialect to the library that made it, the dialect's own names are right.
std::optional<Registered> names_of_dialect(const WeightClass& weights, const Situation& situation) {
  const auto dialects = situation.engine->texts_at({"method_dialects", situation.method});
  const auto own = std::find(dialects.begin(), dialects.end(), situation.subject->dialect);
  if (own == dialects.end()) return std::nullopt;
  Registered out{.layer = "a layer of " + situation.method, .names = {"bias"}, .src = {}};
  for (const auto& [suffix, tensor] : weights.example->parts) out.names.push_back(suffix);
  return out;
}

// Layers of experts register one tensor for all: "w13_weight" of gate and up, "w2_weight" of down.
std::string name_of_one_expert(const std::string& name) {
  for (const std::string_view prefix : {"w13_", "w2_"}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

// Nothing: the data do not say what the layer registers.
std::optional<Registered> registered_by(const WeightClass& weights, const Situation& situation) {
  if (situation.method.empty() || weights.ignored == Truth::kYes) {
    return Registered{.layer = "an unquantised layer", .names = {"weight", "bias"}, .src = {}};
  }
  if (const auto own = names_of_dialect(weights, situation)) return own;
  EngineFacts facts = facts_of(weights, situation);
  set_dispatch_facts(facts, weights, situation);
  const auto layer = facts.find("tensors.class");
  if (!layer || layer->text() == nullptr) return std::nullopt;
  const EngineData& engine = *situation.engine;
  Registered out{.layer = *layer->text(),
                 .names = engine.texts_at({"tensors", *layer->text(), "names"}),
                 .src = engine.text_at({"tensors", *layer->text(), "src"})};
  if (out.names.empty()) return std::nullopt;
  if (weights.example->place.role == Role::kExpert) {
    for (std::string& name : out.names) name = name_of_one_expert(name);
  }
  out.names.emplace_back("bias");
  for (std::string& name : engine.texts_at({"dropped_tensors", "names"})) {
    out.names.push_back(std::move(name));  // read over without a word
  }
  return out;
}

// The first tensor, in the order of the files, that the layer does not register.
const TensorInfo* first_unexpected(const Weight& weight, const Registered& registered,
                                   std::string& suffix) {
  const TensorInfo* first = nullptr;
  for (const auto& [name, tensor] : weight.parts) {
    const bool known =
        std::find(registered.names.begin(), registered.names.end(), name) != registered.names.end();
    if (known) continue;
    if (first != nullptr && tensor != nullptr &&
        std::pair(first->file, first->offset) <= std::pair(tensor->file, tensor->offset)) {
      continue;
    }
    suffix = name;
    if (tensor != nullptr) first = tensor;
  }
  return first;
}

std::string words(const Situation& situation, const std::string& name) {
  const EngineData& engine = *situation.engine;
  std::string local = name;
  for (const std::string& prefix : engine.texts_at({"unexpected_tensor", "strip"})) {
    if (local.starts_with(prefix)) local.erase(0, prefix.size());
  }
  std::string message = engine.text_at({"unexpected_tensor", "message"});
  if (const auto at = message.find("{local}"); at != std::string::npos)
    message.replace(at, 7, local);
  return message;
}

std::string source_of(const Situation& situation) {
  const auto arch = situation.facts.find("model.arch");
  const std::string name = arch && arch->text() != nullptr ? *arch->text() : "";
  const std::string own = situation.engine->text_at({"unexpected_tensor", "models", name, "src"});
  return own.empty() ? situation.engine->text_at({"unexpected_tensor", "src"}) : own;
}

// True when some layer class of this version registers all the tensors that store the weight.
bool any_layer_holds(const Weight& weight, const EngineData& engine) {
  const Json* classes = engine.json.find("tensors");
  if (classes == nullptr) return true;
  for (const auto& [layer, row] : classes->members()) {
    const auto names = texts_of(row.find("names"));
    const bool all = std::all_of(weight.parts.begin(), weight.parts.end(), [&](const auto& part) {
      return std::find(names.begin(), names.end(), part.first) != names.end();
    });
    if (all) return true;
  }
  return false;
}

std::string suffixes_of(const Weight& weight) {
  std::vector<std::string> out;
  for (const auto& [suffix, tensor] : weight.parts) out.push_back(suffix);
  return join(out, " and ");
}

Judgement unexpected(const Situation& situation, const WeightClass& weights,
                     const Registered& registered, const std::string& name) {
  std::string reason =
      "no parameter of that name exists in " + registered.layer + " of this version";
  if (weights.ignored == Truth::kYes) {
    reason =
        "the config's ignore list names a module that is stored quantised, so the engine builds "
        "it unquantised";
  } else if (situation.method.empty()) {
    reason += ", and nothing tells the engine that the model is quantised";
  }
  if (!any_layer_holds(*weights.example, *situation.engine)) {
    reason += "; no layer class of any method there registers " + suffixes_of(*weights.example);
  }
  return {.rule = "tensor.not-expected",
          .where = name,
          .expected = join(registered.names, ", "),
          .observed = name.substr(name.rfind('.') + 1),
          .message = words(situation, name),
          .reason = std::move(reason),
          .src = source_of(situation) + (registered.src.empty() ? "" : ", " + registered.src),
          .unknown = {},
          .fixes = {}};
}

// The unexpected tensor that comes first in the files is the one that the loader names.
struct First {
  const TensorInfo* tensor = nullptr;
  const WeightClass* weights = nullptr;
  Registered registered;
  std::string name;
};

bool before(const TensorInfo* a, const TensorInfo* b) {
  if (a == nullptr || b == nullptr) return b == nullptr && a != nullptr;
  return std::pair(a->file, a->offset) < std::pair(b->file, b->offset);
}

}  // namespace

std::vector<Judgement> judge_tensor_names(const Situation& situation) {
  std::vector<Judgement> out;
  First first;
  for (const WeightClass& weights : situation.classes) {
    auto registered = registered_by(weights, situation);
    if (!registered) {
      out.push_back({.rule = "tensor.names-not-known",
                     .truth = Truth::kUnknown,
                     .where = weights.example->module,
                     .expected = {},
                     .observed = {},
                     .message = {},
                     .reason = "which tensors this engine expects here is not known",
                     .src = {},
                     .unknown = "the data do not say what tensors the method registers",
                     .fixes = {}});
      continue;
    }
    std::string suffix;
    const TensorInfo* tensor = first_unexpected(*weights.example, *registered, suffix);
    if (suffix.empty()) continue;
    if (first.weights != nullptr && !before(tensor, first.tensor)) continue;
    first = {.tensor = tensor,
             .weights = &weights,
             .registered = std::move(*registered),
             .name = weights.example->module + "." + suffix};
  }
  if (first.weights != nullptr) {
    out.push_back(unexpected(situation, *first.weights, first.registered, first.name));
  }
  return out;
}

}  // namespace requant
