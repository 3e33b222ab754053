#include "requant/chat.h"

#include "api/source_template.h"
#include "api/speaker.h"
#include "base/threads.h"

namespace requant {

struct Chat::State {
  Speaker speaker;
  ChatTemplate form;
  ChatInput input;
};

Chat::Chat(std::unique_ptr<State> state) : state_(std::move(state)) {}
Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

Result<Chat> Chat::open(const ChatOptions& options) {
  return or_out_of_memory([&]() -> Result<Chat> {
    if (options.run.threads > 0) set_thread_limit(options.run.threads);
    RQ_TRY(ChatTemplate form, source_template(options.run.source, options.template_file, false));
    RQ_TRY(Speaker speaker, Speaker::open(options.run));
    ChatInput input;
    input.add_generation_prompt = true;
    input.more = settings_of(options.settings);
    if (!options.system.empty()) {
      input.messages.append(Json::object({{"role", "system"}, {"content", options.system}}));
    }
    return Chat(
        std::make_unique<State>(State{std::move(speaker), std::move(form), std::move(input)}));
  });
}

Result<Continuation> Chat::say(std::string_view text, std::uint64_t max_tokens,
                               const std::function<void(std::string_view)>& on_text) {
  return or_out_of_memory([&]() -> Result<Continuation> {
    ChatInput input = state_->input;
    input.messages.append(Json::object({{"role", "user"}, {"content", text}}));
    RQ_TRY(const std::string prompt, state_->form.render(input, local_time()));
    // The template has put the special tokens in.
    RQ_TRY(std::vector<std::uint32_t> ids,
           state_->speaker.tokenizer().encode(prompt, SpecialTokens::kLeave));
    RQ_TRY(Continuation answer, state_->speaker.go_on(std::move(ids), max_tokens, on_text));
    input.messages.append(Json::object({{"role", "assistant"}, {"content", answer.text}}));
    state_->input = std::move(input);
    return answer;
  });
}

}  // namespace requant
