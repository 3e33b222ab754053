#include "engine/weight_classes.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/json_at.h"

namespace requant {

namespace {

NameMatch match_named(std::string_view name) {
  if (name == "exact-or-regex") return NameMatch::kExactOrRegex;
  return name == "substring" ? NameMatch::kSubstring : NameMatch::kExact;
}

// Modules that the config's ignore list, or the engine's own knowledge of a model, leaves dense.
class Ignored {
 public:
  explicit Ignored(const Situation& situation)
      : listed_(listed(situation)), built_in_(built_in(situation)), plain_(plain(situation)) {}

  Truth contains(std::string_view module) const {
    return listed_.contains(module) | built_in_.contains(module);
  }
  // Modules that the engine never quantises, whatever the config says.
  bool is_plain(std::string_view module) const { return plain_.contains(module) == Truth::kYes; }

 private:
  static NameList listed(const Situation& situation) {
    const Json* row = situation.engine->json.at({"ignore", situation.method});
    if (row == nullptr || situation.block.block == nullptr) return {{}, NameMatch::kExact};
    const Json* modules = situation.block.block->find(text_at(*row, "key"));
    if (modules == nullptr) modules = situation.block.block->find(text_at(*row, "or"));
    return {texts_of(modules), match_named(row->find("match")->as_string().value_or(""))};
  }

  static std::vector<std::string> model_rows(const Situation& situation, std::string_view table,
                                             bool by_method) {
    std::vector<std::string> out;
    const Json* rows = situation.engine->json.find(table);
    const auto arch = situation.facts.find("model.arch");
    if (rows == nullptr || !arch || arch->text() == nullptr) return out;
    for (const Json& row : rows->items()) {
      const Json* name = row.find("arch");
      if (name == nullptr || name->as_string() != std::string_view(*arch->text())) continue;
      const auto methods = texts_of(row.find("methods"));
      if (by_method &&
          std::find(methods.begin(), methods.end(), situation.method) == methods.end()) {
        continue;
      }
      if (const Json* when = row.find("when")) {
        const auto predicate = Predicate::parse(*when);
        if (!predicate || predicate->evaluate(situation.facts) != Truth::kYes) continue;
      }
      for (std::string& module : texts_of(row.find("modules"))) out.push_back(std::move(module));
    }
    return out;
  }

  static NameList built_in(const Situation& situation) {
    return {model_rows(situation, "implicit_ignore", true), NameMatch::kSubstring};
  }
  static NameList plain(const Situation& situation) {
    return {model_rows(situation, "plain_linears", false), NameMatch::kSubstring};
  }

  NameList listed_;
  NameList built_in_;
  NameList plain_;
};

// compressed-tensors: which config group an engine's layer class or name falls to.
class Targets {
 public:
  explicit Targets(const Json* block) {
    const Json* groups = block == nullptr ? nullptr : block->find("config_groups");
    if (groups == nullptr) return;
    for (const auto& [name, group] : groups->members()) {
      const auto targets = texts_of(group.find("targets"));
      rows_.push_back({.group = &group,
                       .names = NameList(targets, NameMatch::kExactOrRegex),
                       .classes = targets});
    }
  }

  // Names come before classes, as in the engine; nullptr: no group targets it.
  const Json* group_of(std::string_view module, Role role) const {
    for (const Row& row : rows_) {
      if (row.names.contains(module) == Truth::kYes) return row.group;
    }
    for (const Row& row : rows_) {
      for (const std::string& target : row.classes) {
        if (!target.empty() && class_of(role).find(target) != std::string_view::npos)
          return row.group;
      }
    }
    return nullptr;
  }

 private:
  struct Row {
    const Json* group = nullptr;
    NameList names;
    std::vector<std::string> classes;
  };
  // A target is searched for in the name of the engine's class.
  static std::string_view class_of(Role role) {
    switch (role) {
      case Role::kLmHead:
        return "ParallelLMHead";
      case Role::kEmbedding:
        return "VocabParallelEmbedding";
      default:
        return "LinearBase";
    }
  }
  std::vector<Row> rows_;
};

std::size_t hash_of(const Weight& weight) {
  std::size_t hash = static_cast<std::size_t>(weight.rows);
  const auto mix = [&](std::size_t value) { hash = hash * 1'000'003 + value; };
  mix(static_cast<std::size_t>(weight.cols));
  mix(static_cast<std::size_t>(weight.place.role));
  mix(static_cast<std::size_t>(weight.place.tower));
  mix(static_cast<std::size_t>(weight.scheme.bits));
  mix(static_cast<std::size_t>(weight.scheme.element));
  mix(static_cast<std::size_t>(weight.scheme.grid.block_cols));
  mix(weight.parts.size());
  return hash;
}

bool same_parts(const Weight& a, const Weight& b) {
  return std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

// Last path component: which side of a layer is split by tensor parallelism hangs on it.
std::string_view leaf_of(std::string_view module) {
  const auto dot = module.rfind('.');
  return dot == std::string_view::npos ? module : module.substr(dot + 1);
}

bool same_class(const WeightClass& a, const WeightClass& b) {
  const Weight& x = *a.example;
  const Weight& y = *b.example;
  return x.rows == y.rows && x.cols == y.cols && x.place.role == y.place.role &&
         x.place.tower == y.place.tower && a.ignored == b.ignored && a.group == b.group &&
         a.fused == b.fused && leaf_of(x.module) == leaf_of(y.module) && x.scheme == y.scheme &&
         same_parts(x, y);
}

class Classifier {
 public:
  void add(WeightClass weights) {
    const std::size_t hash = hash_of(*weights.example);
    for (auto [at, end] = by_hash_.equal_range(hash); at != end; ++at) {
      if (!same_class(classes_[at->second], weights)) continue;
      ++classes_[at->second].count;
      return;
    }
    by_hash_.emplace(hash, classes_.size());
    weights.count = 1;
    classes_.push_back(std::move(weights));
  }
  std::vector<WeightClass> take() && { return std::move(classes_); }

 private:
  std::vector<WeightClass> classes_;
  std::unordered_multimap<std::size_t, std::size_t> by_hash_;
};

bool is_linear(Role role) { return role == Role::kLinear || role == Role::kExpert; }

// A dense matrix that an engine builds as a Linear of its own.
bool is_dense_linear(const DenseTensor& tensor) {
  return tensor.is_weight && is_linear(tensor.place.role) && tensor.tensor != nullptr &&
         tensor.tensor->shape.size() == 2;
}

struct Shards {
  int members = 0;
  int quantised = 0;
  int ignored = 0;
};
using ShardMap = std::unordered_map<std::string_view, Shards>;

// Experts are fused by the engine as a whole, which has rules of its own.
bool stands_alone(const Module& place, std::string_view module) {
  return place.fused.empty() || place.fused == module || place.role == Role::kExpert;
}

std::string_view summary_of(const ShardMap& shards, int Shards::*count) {
  bool any = false;
  bool all = true;
  for (const auto& [name, one] : shards) {
    if (one.*count != 0 && one.*count != one.members) return "mixed";
    any = any || one.*count != 0;
    all = all && one.*count != 0;
  }
  return all && any ? "all" : any ? "some" : "none";
}

// True where the engine finds out by itself which modules are dense.
bool finds_dense_itself(const Situation& situation) {
  const Json* rows = situation.engine->json.find("finds_dense_itself");
  if (rows == nullptr) return false;
  for (const Json& row : rows->items()) {
    const auto methods = texts_of(row.find("methods"));
    if (std::find(methods.begin(), methods.end(), situation.method) == methods.end()) continue;
    const auto when = Predicate::parse(*row.find("when"));
    if (when && when->evaluate(situation.facts) == Truth::kYes) return true;
  }
  return false;
}

void find_uncovered(Situation& situation, const Ignored& ignored, const Targets& targets) {
  if (situation.method.empty() || finds_dense_itself(situation)) return;
  const bool by_target = situation.method == "compressed-tensors";
  for (const DenseTensor& tensor : situation.subject->dense) {
    if (!is_dense_linear(tensor) || ignored.is_plain(tensor.module)) continue;
    if (ignored.contains(tensor.module) != Truth::kNo) continue;
    if (by_target && targets.group_of(tensor.module, tensor.place.role) == nullptr) continue;
    situation.uncovered.push_back(&tensor);
  }
}

}  // namespace

void classify_weights(Situation& situation) {
  const Ignored ignored(situation);
  const Targets targets(situation.method == "compressed-tensors" ? situation.block.block : nullptr);
  ShardMap shards;
  std::vector<Truth> is_ignored;
  for (const Weight& weight : situation.subject->weights) {
    is_ignored.push_back(ignored.contains(weight.module));
    if (stands_alone(weight.place, weight.module)) continue;
    Shards& one = shards[weight.place.fused];
    ++one.members;
    ++one.quantised;
    one.ignored += is_ignored.back() == Truth::kYes;
  }
  for (const DenseTensor& tensor : situation.subject->dense) {
    if (!is_dense_linear(tensor) || stands_alone(tensor.place, tensor.module)) continue;
    if (ignored.is_plain(tensor.module)) continue;
    Shards& one = shards[tensor.place.fused];
    ++one.members;
    one.ignored += ignored.contains(tensor.module) == Truth::kYes;
  }
  Classifier classifier;
  for (std::size_t i = 0; i < situation.subject->weights.size(); ++i) {
    const Weight& weight = situation.subject->weights[i];
    const auto fused = shards.find(weight.place.fused);
    classifier.add({.example = &weight,
                    .count = 0,
                    .ignored = is_ignored[i],
                    .group = targets.group_of(weight.module, weight.place.role),
                    .fused = fused != shards.end() && fused->second.members > 1});
  }
  situation.classes = std::move(classifier).take();
  situation.facts.set("fused.shards_quantised", summary_of(shards, &Shards::quantised));
  situation.facts.set("fused.shards_ignored", summary_of(shards, &Shards::ignored));
  find_uncovered(situation, ignored, targets);
}

}  // namespace requant
