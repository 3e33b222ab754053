// What requant makes of templates, for jinja_differential.py: a JSON object a line with "template"
// and "names", answered by a line {"text": ...} or {"error": ...}.
#include <iostream>
#include <string>

#include "text/jinja/template.h"

namespace {

requant::Result<std::string> rendered(const requant::Json& job) {
  using requant::Json;
  const Json* text = job.find("template");
  RQ_TRY(const auto parsed, requant::jinja::Template::parse(*text->as_string()));
  std::vector<std::pair<std::string, Json>> names;
  for (const auto& [name, value] : job.find("names")->members()) names.emplace_back(name, value);
  std::tm day = {};
  day.tm_year = 126;
  day.tm_mon = 6;
  day.tm_mday = 4;
  day.tm_wday = 6;
  day.tm_yday = 184;
  return parsed.render(names, day);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto job = requant::parse_json(line);
    if (!job) {
      std::cerr << job.error().message() << "\n";
      return 2;
    }
    const auto text = rendered(*job);
    const auto answer = text ? requant::Json::object({{"text", *text}})
                             : requant::Json::object({{"error", text.error().message()}});
    std::cout << answer.dump(0, true) << "\n" << std::flush;
  }
  return 0;
}
