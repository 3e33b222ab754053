#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/folder.h"
#include "base/json.h"
#include "base/result.h"
#include "text/jinja/template.h"

namespace requant {

// What a chat template is told, beside the special tokens.
struct ChatInput {
  Json messages = Json::array();
  Json tools;  // null: none
  bool add_generation_prompt = false;
  std::vector<std::pair<std::string, Json>> more;  // goes before all else of that name
};

// How a model wants a conversation written down.
class ChatTemplate {
 public:
  // Of a template by itself. `where` is what messages call it.
  static Result<ChatTemplate> parse(std::string_view text, std::string where);
  // Of a folder: chat_template.jinja, else "chat_template" of tokenizer_config.json, else
  // chat_template.json. Of several that are named, "tool_use" where there are tools and such a one,
  // else "default". kNotFound where there is none.
  static Result<ChatTemplate> open(const Folder& folder, bool with_tools);

  // "bos_token" and the like, as transformers tells them: from tokenizer_config.json, else
  // special_tokens_map.json.
  Result<void> read_special_tokens(const Folder& folder);
  void add_special_token(std::string name, std::string token);

  // The text that the model is given. Messages name the template and its line.
  Result<std::string> render(const ChatInput& input, const std::tm& now) const;

 private:
  ChatTemplate(jinja::Template parsed, std::string where)
      : template_(std::move(parsed)), where_(std::move(where)) {}

  jinja::Template template_;
  std::string where_;
  std::vector<std::pair<std::string, Json>> special_;
};

}  // namespace requant
