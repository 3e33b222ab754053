#include "engine/advice.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace requant {

namespace {

struct Edit {
  std::string rule;
  std::string words;  // "moving the block to the top level"
  Json config;
  bool without_scales = false;
};

void erase_blocks(Json& config) {
  config.erase("quantization_config");
  config.erase("compression_config");
  for (auto& [key, value] : config.members()) {
    if (value.is_object()) erase_blocks(value);
  }
}

Edit with_block(const Json& config, std::string rule, std::string words, Json block) {
  Edit edit{.rule = std::move(rule), .words = std::move(words), .config = config};
  erase_blocks(edit.config);
  edit.config.set("quantization_config", std::move(block));
  return edit;
}

Json arguments_json(std::string_view type, std::string_view strategy, bool dynamic) {
  return Json::object({{"num_bits", 8},
                       {"type", type},
                       {"symmetric", true},
                       {"strategy", strategy},
                       {"dynamic", dynamic}});
}

// The block that guides to compressed-tensors print for W8A8, as people copy it.
Json copied_block(const Scheme& scheme) {
  const std::string_view type = scheme.element == Element::kInt ? "int" : "float";
  Json group = Json::object({{"targets", Json::array({Json("Linear")})},
                             {"weights", arguments_json(type, "channel", false)},
                             {"input_activations", arguments_json(type, "token", true)}});
  return Json::object({{"quant_method", "compressed-tensors"},
                       {"format", std::string(type) + "-quantized"},
                       {"ignore", Json::array({Json("lm_head")})},
                       {"config_groups", Json::object({{"group_0", std::move(group)}})}});
}

bool is_8_bit_channel(const Scheme& scheme) {
  return scheme.bits == 8 && scheme.grid.is_channel() && scheme.offset == Offset::kNone &&
         (scheme.element == Element::kInt || scheme.element == Element::kE4M3Fn);
}

bool stores_plain_codes(const Weight& weight) {
  return weight.scheme.bits == 8 &&
         std::any_of(weight.parts.begin(), weight.parts.end(),
                     [](const auto& part) { return part.first == "weight"; });
}

std::vector<Edit> edits_of(const Situation& situation) {
  const Json& config = situation.subject->config;
  const Weight& weight = *situation.classes.front().example;
  std::vector<Edit> out;
  if (!situation.unread.empty()) {
    out.push_back(with_block(config, "edit.hoist-block", "moving the block to the top level",
                             *situation.unread.front().block));
  }
  const bool other_tool = situation.declared != "fp8" && situation.declared != "compressed-tensors";
  if (other_tool && is_8_bit_channel(weight.scheme)) {
    if (weight.scheme.element == Element::kE4M3Fn) {
      out.push_back(with_block(config, "edit.method-fp8", "naming it quant_method \"fp8\"",
                               Json::object({{"quant_method", "fp8"}})));
      out.push_back(with_block(
          config, "edit.method-fp8-dynamic", "the same with activation_scheme \"dynamic\"",
          Json::object({{"quant_method", "fp8"}, {"activation_scheme", "dynamic"}})));
    }
    out.push_back(with_block(config, "edit.method-compressed-tensors",
                             "a compressed-tensors block over the tensors as they are",
                             copied_block(weight.scheme)));
  }
  if (other_tool) {
    Edit none{
        .rule = "edit.delete-block", .words = "deleting the quantization block", .config = config};
    erase_blocks(none.config);
    out.push_back(none);
    if (stores_plain_codes(weight)) {
      none.rule = "edit.delete-scales";
      none.words = "deleting the block and the scale tensors";
      none.without_scales = true;
      out.push_back(std::move(none));
    }
  }
  return out;
}

// One weight of each class stands for all: an edit changes none of them.
std::vector<Weight> examples_of(const Situation& situation, bool without_scales) {
  std::vector<Weight> out;
  for (const WeightClass& weights : situation.classes) {
    out.push_back(*weights.example);
    if (!without_scales) continue;
    std::erase_if(out.back().parts, [](const auto& part) { return part.first != "weight"; });
  }
  return out;
}

bool stops(const Judgement& judgement) {
  const bool rejects =
      judgement.effect == Effect::kReject || judgement.effect == Effect::kRejectUnlessMet;
  return rejects && judgement.truth == Truth::kYes;
}

// The engine's own words first: they are what the next try would print.
std::string reasons_of(const std::vector<Judgement>& judgements) {
  std::vector<std::string> printed;
  std::vector<std::string> silent;
  for (const Judgement& judgement : judgements) {
    if (!stops(judgement)) continue;
    const bool quoted = !judgement.message.empty();
    (quoted ? printed : silent).push_back(quoted ? judgement.message : judgement.reason);
  }
  printed.insert(printed.end(), silent.begin(), silent.end());
  if (printed.size() > 3) printed.resize(3);
  return join(printed, "; ");
}

std::string sources_of(const std::vector<Judgement>& judgements) {
  std::vector<std::string> sources;
  for (const Judgement& judgement : judgements) {
    if (stops(judgement) && !judgement.src.empty()) sources.push_back(judgement.src);
    if (sources.size() == 3) break;
  }
  return join(sources, ", ");
}

Finding judge(const Situation& situation, const Edit& edit, const Device& device) {
  const std::vector<Weight> weights = examples_of(situation, edit.without_scales);
  const Subject& subject = *situation.subject;
  const Subject edited{.path = subject.path,
                       .config = edit.config,
                       .architecture = subject.architecture,
                       .container = subject.container,
                       .dialect = subject.dialect,
                       .weights = weights,
                       .dense = subject.dense,
                       .files = subject.files,
                       .weight_file = subject.weight_file};
  const Situation then = describe(*situation.engine, edited, device);
  const std::vector<Judgement> judgements = evaluate(then);
  const Verdict verdict = verdict_of(judgements);
  Finding finding;
  finding.rule = edit.rule;
  finding.where = "config.json";
  if (edit.without_scales) {
    finding.message = edit.words + " is the worst edit of all";
    finding.why = verdict == Verdict::kNo
                      ? reasons_of(judgements)
                      : "it loads without a word, takes the stored codes for the "
                        "weights themselves, and answers garbage";
  } else if (verdict == Verdict::kNo) {
    finding.message = edit.words + " does not help";
    finding.why = reasons_of(judgements);
    finding.evidence = sources_of(judgements);
  } else {
    finding.message = edit.words + (verdict == Verdict::kYes ? " is enough" : " may be enough");
  }
  return finding;
}

// Only where the way in which the weights are stated or stored is what stops the engine.
bool edits_come_to_mind(const Situation& situation, const std::vector<Judgement>& judgements) {
  if (situation.classes.empty()) return false;
  return std::any_of(judgements.begin(), judgements.end(), [](const Judgement& judgement) {
    return judgement.truth == Truth::kYes &&
           (judgement.rule == "config.nested-quantization" ||
            judgement.rule == "tensor.not-expected" || judgement.rule.ends_with(".unknown-method"));
  });
}

}  // namespace

std::vector<Finding> judge_edits(const Situation& situation,
                                 const std::vector<Judgement>& judgements, const Device& device) {
  std::vector<Finding> out;
  if (!edits_come_to_mind(situation, judgements)) return out;
  for (const Edit& edit : edits_of(situation)) out.push_back(judge(situation, edit, device));
  return out;
}

}  // namespace requant
