// The files that engines read beside config.json and the weights.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "rule/beside.h"
#include "rule/run.h"
#include "text/chat_template.h"

namespace requant {
namespace {

constexpr std::string_view kTokenizers[] = {"tokenizer.json", "tokenizer.model", "vocab.json",
                                            "vocab.txt",      "tekken.json",     "spiece.model"};
constexpr std::string_view kProcessors[] = {"preprocessor_config.json", "processor_config.json",
                                            "video_preprocessor_config.json"};
constexpr std::string_view kTemplates[] = {"chat_template.jinja", "chat_template.json"};

template <std::size_t N>
bool any_beside(const Checkpoint& checkpoint, const std::string_view (&names)[N]) {
  return std::ranges::any_of(names,
                             [&](std::string_view name) { return lies_beside(checkpoint, name); });
}

// A whole model, as engines are given it. What lies beside a single weight file is not known.
bool is_served(const Checkpoint& checkpoint) {
  return lies_beside(checkpoint, "config.json") &&
         checkpoint.config().find("model_type") != nullptr;
}

void look_for_tokenizer(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  if (!is_served(checkpoint) || any_beside(checkpoint, kTokenizers)) return;
  const bool has_other = std::ranges::any_of(checkpoint.files(), [](const std::string& name) {
    return name.ends_with(".tiktoken") || name.ends_with(".model") || name.starts_with("tokeniz");
  });
  if (!has_other) run.add("", "there is no tokenizer");
}

void look_for_processor(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  // A model that brings its own code may bring its own processing too.
  if (!is_served(checkpoint) || checkpoint.config().find("auto_map") != nullptr) return;
  if (any_beside(checkpoint, kProcessors)) return;
  const bool sees = std::ranges::any_of(checkpoint.dense(), [](const DenseTensor& dense) {
    return dense.place.tower == Tower::kVision || dense.place.tower == Tower::kAudio;
  });
  if (sees) run.add("preprocessor_config.json", "is not there, and the model has a tower");
}

void look_for_generation(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  if (!is_served(checkpoint) || lies_beside(checkpoint, "generation_config.json")) return;
  run.add("generation_config.json", "is not there");
}

void look_for_template(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  if (!is_served(checkpoint) || any_beside(checkpoint, kTemplates)) return;
  const auto tokenizer = json_beside(checkpoint, "tokenizer_config.json");
  if (!tokenizer || tokenizer->find("chat_template") != nullptr) return;
  run.add("chat_template.jinja", "is not there, and tokenizer_config.json has no chat_template");
}

// A message of a user, as text or in parts: templates of models that see take one of the two.
Result<std::string> render_one(const ChatTemplate& parsed, Json content) {
  ChatInput input;
  input.messages.append(Json::object({{"role", "user"}, {"content", std::move(content)}}));
  input.add_generation_prompt = true;
  std::tm new_year{};
  new_year.tm_mday = 1;
  new_year.tm_year = 126;
  return parsed.render(input, new_year);
}

void look_at_template(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  if (!is_served(checkpoint) || checkpoint.folder().is_far()) return;
  auto parsed = ChatTemplate::open(checkpoint.folder(), false);
  std::string message;
  if (!parsed) {
    if (parsed.error().code() == ErrorCode::kNotFound) return;
    message = parsed.error().message();
  } else if (parsed->read_special_tokens(checkpoint.folder())) {
    const auto text = render_one(*parsed, Json("Hello"));
    if (text) return;
    const Json part = Json::object({{"type", "text"}, {"text", "Hello"}});
    if (render_one(*parsed, Json::array({part}))) return;
    message = text.error().message();
  }
  if (message.empty()) return;
  const std::size_t end = message.find(": ");  // of the file's name
  run.add(message.substr(0, end), message.substr(end + 2));
}

void look_for_card(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  if (!is_served(checkpoint)) return;
  const auto begins = [&](std::string_view start) {
    return std::ranges::any_of(checkpoint.files(),
                               [&](const std::string& name) { return name.starts_with(start); });
  };
  if (!begins("README") && !begins("LICENSE")) {
    run.add("README.md", "there is neither a model card nor a licence");
  }
}

constexpr auto kRules = std::to_array<Rule>({
    {.id = "side.no-tokenizer",
     .severity = Severity::kWarning,
     .text = "There is no tokenizer.",
     .why = "engines take text only with --tokenizer",
     .repair = "requant convert --tokenizer-from FOLDER",
     .threads = "llm-compressor #1305",
     .look = look_for_tokenizer},
    {.id = "side.no-processor",
     .severity = Severity::kWarning,
     .text = "A model with a vision or audio tower has no processor's config.",
     .why = "engines do not load it, or serve it as a model of text, silently",
     .repair = "copy preprocessor_config.json from the model that was quantised",
     .threads = "llm-compressor #1305, GPTQModel #1291, omlx PR #1386",
     .look = look_for_processor},
    {.id = "side.no-generation-config",
     .severity = Severity::kInfo,
     .text = "There is no generation_config.json.",
     .why = "engines do not know every token that ends an answer, nor how to sample",
     .repair = "copy it from the model that was quantised",
     .threads = "GPTQModel #1291",
     .look = look_for_generation},
    {.id = "side.no-chat-template",
     .severity = Severity::kInfo,
     .text = "There is no chat template.",
     .why = "a chat request is refused, or formatted by a template of another model",
     .threads = "llm-compressor #1305",
     .look = look_for_template},
    {.id = "side.broken-chat-template",
     .severity = Severity::kWarning,
     .text = "The chat template is no template, or fails on a user's first message.",
     .why = "engines that render it refuse every chat request",
     .repair = "copy it from the model that was quantised",
     .threads = "llm-compressor #1305",
     .look = look_at_template},
    {.id = "side.no-card",
     .severity = Severity::kInfo,
     .text = "There is neither a model card nor a licence.",
     .why = "whoever gets the folder does not know what it is and may be used for",
     .look = look_for_card},
});

}  // namespace

extern const RuleFamily k_rules_side_files;
const RuleFamily k_rules_side_files = {
    .name = "side files",
    .text = "what engines read beside config.json and the weights",
    .rules = kRules,
};

}  // namespace requant
