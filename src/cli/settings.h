#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "requant/result.h"

namespace requant::cli {

// "NAME=VALUE" each, of --set.
Result<std::vector<std::pair<std::string, std::string>>> parse_settings(
    const std::vector<std::string>& texts);

// --template and --set, of commands that render a chat template.
void add_template_options(CLI::App& app, std::filesystem::path& template_file,
                          std::vector<std::string>& settings);

}  // namespace requant::cli
