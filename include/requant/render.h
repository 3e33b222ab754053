#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "requant/result.h"

namespace requant {

struct RenderOptions {
  std::filesystem::path source;         // a folder, or a GGUF file
  std::filesystem::path template_file;  // empty: the source's own template
  bool add_generation_prompt = false;
  // Further names of the template: each value is JSON, or else the text that it is.
  std::vector<std::pair<std::string, std::string>> settings;
};

// A conversation as the model wants to read it: what the package transformers makes of the same
// template. `messages` and `tools` are JSON; empty tools are none.
Result<std::string> render_chat(const RenderOptions& options, std::string_view messages,
                                std::string_view tools);

}  // namespace requant
