#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "requant/result.h"
#include "requant/run.h"

namespace requant {

struct ChatOptions {
  RunOptions run;
  std::filesystem::path template_file;  // empty: the source's own
  std::string system;                   // empty: no such message
  // Further names of the template: each value is JSON, or else the text that it is.
  std::vector<std::pair<std::string, std::string>> settings;
};

// A conversation with a model, turn by turn, as its chat template writes it.
class Chat {
 public:
  static Result<Chat> open(const ChatOptions& options);

  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  // A turn of the user, and the model's answer, the likeliest token after another. Both are part
  // of the conversation from then on. `on_text` gets the answer piece by piece.
  Result<Continuation> say(std::string_view text, std::uint64_t max_tokens,
                           const std::function<void(std::string_view)>& on_text = {});

 private:
  struct State;
  explicit Chat(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace requant
