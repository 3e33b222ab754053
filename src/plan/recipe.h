#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arch/architecture.h"
#include "arch/gguf_family.h"
#include "base/json.h"
#include "dialect/name_rules.h"
#include "plan/block_recipe.h"
#include "plan/scheme_name.h"

namespace requant {

// Which weights are quantised, and to what. As a file:
//
//   {"scheme": "w4a16", "ignore": ["lm_head", "vision", "re:.*mlp.gate$"],
//    "rules": [{"match": ["re:.*down_proj"], "scheme": "w8a16"}]}
//
// An entry of `ignore` is a role (lm_head, router), a tower (vision, audio, projector), a module's
// name or "re:PATTERN" (a Python expression, from the start of the name). The first rule that
// matches counts; where none does, `scheme`. Only matrices of Linear modules and experts, and
// lm_head and router where `ignore` does not name them, are ever quantised.
//
// Or one of llama.cpp's mixes (plan/block_recipe.h), which quantise embeddings, too.
class Recipe {
 public:
  // lm_head, router and every tower but the language model.
  static std::vector<std::string> usual_ignore();
  // The same without lm_head, which mixes of block types say themselves.
  static std::vector<std::string> usual_ignore_of_blocks();

  // kUsage for a scheme or a pattern that is none.
  static Result<Recipe> make(std::string_view scheme, std::vector<std::string> ignore);
  // kUsage also for keys that are not known. `scheme`, where not empty, replaces the file's.
  static Result<Recipe> parse(const Json& file, std::string_view scheme);

  static Result<Recipe> make(const BlockRecipe& blocks, std::vector<std::string> ignore);

  // The same for the weights of one model, which mixes of block types have to know. kRefused where
  // no data say what llama.cpp calls its tensors.
  Result<Recipe> for_model(const Checkpoint& checkpoint, bool has_importance) const;

  // The scheme of a weight [rows, cols]; nothing where it stays as it is. Where `cols` is 0 they
  // are not looked at.
  Result<std::optional<SchemeRequest>> scheme_of(std::string_view module, const Module& place,
                                                 std::int64_t cols = 0) const;

  // That of the mix; nullptr for other recipes.
  const BlockRecipe* blocks() const { return blocks_; }

 private:
  struct Rule {
    NameRules match;
    SchemeRequest scheme;
  };

  Result<void> set_ignored(std::vector<std::string> ignore);
  Result<bool> ignores(std::string_view module, const Module& place) const;
  Result<std::optional<SchemeRequest>> block_scheme_of(std::string_view module,
                                                       std::int64_t cols) const;

  SchemeRequest scheme_;
  const BlockRecipe* blocks_ = nullptr;
  const GgufFamily* family_ = nullptr;  // of the model, with blocks_
  ModelShape model_;
  std::vector<std::string> ignored_words_;  // roles and towers
  // Shared by the copies for models.
  std::shared_ptr<const NameRules> ignored_names_;
  std::shared_ptr<const std::vector<Rule>> rules_ = std::make_shared<std::vector<Rule>>();
};

}  // namespace requant
