#pragma once

#include <ctime>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "requant/render.h"
#include "text/chat_template.h"

namespace requant {

// The template of a folder or a GGUF file, and its special tokens. `template_file` goes before the
// source's own.
Result<ChatTemplate> source_template(const std::filesystem::path& source,
                                     const std::filesystem::path& template_file, bool with_tools);

// Each value as JSON, or else as the text that it is.
std::vector<std::pair<std::string, Json>> settings_of(
    const std::vector<std::pair<std::string, std::string>>& settings);

// What strftime_now tells.
std::tm local_time();

}  // namespace requant
