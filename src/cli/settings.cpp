#include "cli/settings.h"

namespace requant::cli {

Result<std::vector<std::pair<std::string, std::string>>> parse_settings(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return usage("--set takes NAME=VALUE, not '" + text + "'");
    }
    settings.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return settings;
}

void add_template_options(CLI::App& app, std::filesystem::path& template_file,
                          std::vector<std::string>& settings) {
  app.add_option("--template", template_file, "a template that goes before SRC's own")
      ->type_name("FILE");
  app.add_option("--set", settings, "another name of the template: JSON, or a text")
      ->type_name("NAME=VALUE");
}

}  // namespace requant::cli
