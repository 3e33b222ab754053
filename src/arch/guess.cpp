#include "arch/guess.h"

#include <string>

#include "arch/pattern_tree.h"
#include "base/text.h"

namespace requant {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Role guess_role(std::string_view module, std::string_view last, std::size_t rank, bool in_expert) {
  if (contains(last, "norm") || last.starts_with("ln_")) return Role::kNorm;
  if (last == "lm_head" || module == "output" || module.ends_with("model.output")) {
    return Role::kLmHead;
  }
  if (contains(last, "embed") || last == "wte" || last == "wpe") return Role::kEmbedding;
  if (rank > 2) return Role::kConv;
  if (rank != 2) return Role::kOther;
  if (last == "gate" || last == "router") return Role::kRouter;
  return in_expert ? Role::kExpert : Role::kLinear;
}

Tower guess_tower(std::string_view module) {
  for (const auto part : {"vision", "visual", "vit."}) {
    if (contains(module, part)) return Tower::kVision;
  }
  for (const auto part : {"audio", "speech"}) {
    if (contains(module, part)) return Tower::kAudio;
  }
  return contains(module, "projector") || module.starts_with("mlp1.") ? Tower::kProjector
                                                                      : Tower::kLanguage;
}

std::string_view guess_fused(std::string_view last) {
  if (last == "q_proj" || last == "k_proj" || last == "v_proj") return "qkv_proj";
  if (last == "gate_proj" || last == "up_proj") return "gate_up_proj";
  return last;
}

}  // namespace

Module guess_module(std::string_view module, std::size_t rank) {
  Module guess;
  std::string_view before;
  for (const std::string_view component : split(module, '.')) {
    const int number = number_component(component);
    if (number >= 0 && before == "experts") {
      guess.expert = number;
    } else if (number >= 0 && guess.layer < 0 && before != "mlp1") {
      guess.layer = number;
    }
    before = component;
  }
  const std::string_view last = before;
  guess.role = guess_role(module, last, rank, guess.expert >= 0);
  guess.tower = guess_tower(module);
  guess.fused = std::string(module.substr(0, module.size() - last.size()));
  guess.fused += guess_fused(last);
  return guess;
}

}  // namespace requant
