#include "requant/render.h"

#include "api/source_template.h"
#include "base/json.h"
#include "base/threads.h"

namespace requant {
namespace {

// A list of messages, or an object that has one under that name.
Result<Json> list_in(std::string_view text, std::string_view name) {
  RQ_TRY_IN(Json json, parse_json(text), name);
  if (const Json* inner = json.find(name)) json = Json(*inner);
  if (!json.is_array()) return corrupt(std::string(name) + ": not a list");
  return json;
}

}  // namespace

Result<std::string> render_chat(const RenderOptions& options, std::string_view messages,
                                std::string_view tools) {
  return or_out_of_memory([&]() -> Result<std::string> {
    ChatInput input;
    RQ_TRY(input.messages, list_in(messages, "messages"));
    if (!tools.empty()) {
      RQ_TRY(input.tools, list_in(tools, "tools"));
    }
    input.add_generation_prompt = options.add_generation_prompt;
    input.more = settings_of(options.settings);
    RQ_TRY(const ChatTemplate found,
           source_template(options.source, options.template_file, !tools.empty()));
    return found.render(input, local_time());
  });
}

}  // namespace requant
