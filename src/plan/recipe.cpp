#include "plan/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace requant {
namespace {

constexpr auto kWords =
    std::to_array<std::string_view>({"lm_head", "router", "vision", "audio", "projector"});

bool is_word(std::string_view entry) { return std::ranges::find(kWords, entry) != kWords.end(); }

std::string_view word_of(const Module& place) {
  if (place.role == Role::kLmHead) return "lm_head";
  if (place.role == Role::kRouter) return "router";
  switch (place.tower) {
    case Tower::kVision:
      return "vision";
    case Tower::kAudio:
      return "audio";
    case Tower::kProjector:
      return "projector";
    case Tower::kLanguage:
      break;
  }
  return {};
}

bool can_be_quantised(const Module& place) {
  return place.role == Role::kLinear || place.role == Role::kExpert ||
         place.role == Role::kLmHead || place.role == Role::kRouter;
}

Result<std::vector<std::string>> strings_in(const Json& list, std::string_view key) {
  std::vector<std::string> strings;
  if (!list.is_array()) return usage(fmt::format("recipe: '{}' is no list", key));
  for (const Json& item : list.items()) {
    const auto text = item.as_string();
    if (!text) return usage(fmt::format("recipe: '{}' holds what is no string", key));
    strings.emplace_back(*text);
  }
  return strings;
}

Result<void> check_keys(const Json& object, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return usage("recipe: expected an object");
  for (const auto& [key, value] : object.members()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    return usage(fmt::format("recipe: {} is not known here", in_quotes(key)));
  }
  return {};
}

Result<std::string> text_in(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  const auto text = value == nullptr ? std::nullopt : value->as_string();
  if (!text) return usage(fmt::format("recipe: '{}' is missing or no string", key));
  return std::string(*text);
}

}  // namespace

std::vector<std::string> Recipe::usual_ignore() { return {kWords.begin(), kWords.end()}; }

std::vector<std::string> Recipe::usual_ignore_of_blocks() {
  return {kWords.begin() + 1, kWords.end()};
}

Result<void> Recipe::set_ignored(std::vector<std::string> ignore) {
  std::vector<std::string> names;
  for (std::string& entry : ignore) {
    (is_word(entry) ? ignored_words_ : names).push_back(std::move(entry));
  }
  auto rules = NameRules::parse(std::move(names));
  if (!rules) return usage("ignore: " + rules.error().message());
  ignored_names_ = std::make_shared<const NameRules>(*std::move(rules));
  return {};
}

Result<Recipe> Recipe::make(std::string_view scheme, std::vector<std::string> ignore) {
  Recipe recipe;
  RQ_TRY(recipe.scheme_, parse_scheme(scheme));
  RQ_CHECK(recipe.set_ignored(std::move(ignore)));
  return recipe;
}

Result<Recipe> Recipe::make(const BlockRecipe& blocks, std::vector<std::string> ignore) {
  Recipe recipe;
  recipe.blocks_ = &blocks;
  RQ_CHECK(recipe.set_ignored(std::move(ignore)));
  return recipe;
}

Result<Recipe> Recipe::for_model(const Checkpoint& checkpoint, bool has_importance) const {
  Recipe recipe = *this;
  if (blocks_ == nullptr) return recipe;
  const Json* type = checkpoint.config().find("model_type");
  const auto name = type == nullptr ? std::nullopt : type->as_string();
  recipe.family_ = name ? find_gguf_family_of(*name) : nullptr;
  if (recipe.family_ == nullptr) {
    return refused(fmt::format("no data of this build say what llama.cpp calls the tensors of {}",
                               in_quotes(name.value_or(""))));
  }
  recipe.model_ = shape_of_model(checkpoint);
  recipe.model_.has_importance = has_importance;
  return recipe;
}

Result<Recipe> Recipe::parse(const Json& file, std::string_view scheme) {
  RQ_CHECK(check_keys(file, {"scheme", "ignore", "rules"}));
  std::string chosen(scheme);
  if (chosen.empty()) {
    RQ_TRY(chosen, text_in(file, "scheme"));
  }
  std::vector<std::string> ignore = usual_ignore();
  if (const Json* list = file.find("ignore"); list != nullptr) {
    RQ_TRY(ignore, strings_in(*list, "ignore"));
  }
  RQ_TRY(Recipe recipe, make(chosen, std::move(ignore)));
  const Json* rules = file.find("rules");
  if (rules == nullptr) return recipe;
  if (!rules->is_array()) return usage("recipe: 'rules' is no list");
  auto read = std::make_shared<std::vector<Rule>>();
  for (const Json& rule : rules->items()) {
    RQ_CHECK(check_keys(rule, {"match", "scheme"}));
    const Json* match = rule.find("match");
    if (match == nullptr) return usage("recipe: a rule without 'match'");
    RQ_TRY(auto patterns, strings_in(*match, "match"));
    auto names = NameRules::parse(std::move(patterns));
    if (!names) return usage("recipe: match: " + names.error().message());
    RQ_TRY(const std::string name, text_in(rule, "scheme"));
    RQ_TRY(SchemeRequest request, parse_scheme(name));
    read->push_back({*std::move(names), std::move(request)});
  }
  recipe.rules_ = std::move(read);
  return recipe;
}

Result<bool> Recipe::ignores(std::string_view module, const Module& place) const {
  const std::string_view word = word_of(place);
  if (!word.empty() && std::ranges::find(ignored_words_, word) != ignored_words_.end()) return true;
  RQ_TRY(const auto hit, ignored_names_->find(module, {}));
  return hit.has_value();
}

// A tensor that llama.cpp has no name for stays as it is: the writer names it.
Result<std::optional<SchemeRequest>> Recipe::block_scheme_of(std::string_view module,
                                                             std::int64_t cols) const {
  std::optional<SchemeRequest> none;
  const auto name = family_ == nullptr ? std::nullopt : family_->name_of(module);
  if (!name) return none;
  const std::string& wanted = blocks_->type_of(name->module, model_);
  const auto type = cols == 0 ? wanted : fitting_block_type(wanted, cols);
  if (!type) {
    return refused(
        fmt::format("{}: rows of {} are whole blocks neither of {} nor of what stands in for it",
                    printable(module), cols, wanted));
  }
  RQ_TRY(SchemeRequest request, parse_scheme(*type));
  return std::optional(std::move(request));
}

Result<std::optional<SchemeRequest>> Recipe::scheme_of(std::string_view module, const Module& place,
                                                       std::int64_t cols) const {
  std::optional<SchemeRequest> none;
  const bool is_embedding = blocks_ != nullptr && place.role == Role::kEmbedding;
  if (!can_be_quantised(place) && !is_embedding) return none;
  RQ_TRY(const bool ignored, ignores(module, place));
  if (ignored) return none;
  if (blocks_ != nullptr) return block_scheme_of(module, cols);
  for (const Rule& rule : *rules_) {
    RQ_TRY(const auto hit, rule.match.find(module, {}));
    if (hit) return std::optional(rule.scheme);
  }
  return std::optional(scheme_);
}

}  // namespace requant
