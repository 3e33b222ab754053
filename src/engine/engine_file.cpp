#include "engine/engine_file.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/embedded.h"
#include "base/json_at.h"
#include "base/text.h"

namespace requant {

std::span<const EmbeddedFile> embedded_engines();
std::span<const EmbeddedFile> embedded_engine_additions();

namespace {

constexpr std::string_view kEnding = ".json";

bool is_row_list(std::string_view key) {
  return key == "rules" || key == "schemes" || key == "moe_schemes" || key == "method_schemes" ||
         key == "kernels" || key == "overrides";
}

// Rows are appended, members of tables are set, everything else is replaced.
void merge(Json& base, const Json& additions) {
  for (const auto& [key, value] : additions.members()) {
    if (key == "schema" || key == "guard") continue;
    Json* there = base.find(key);
    if (there != nullptr && is_row_list(key)) {
      for (const Json& row : value.items()) there->append(row);
    } else if (there != nullptr && there->is_object() && value.is_object()) {
      for (const auto& [name, member] : value.members()) there->set(name, member);
    } else {
      base.set(key, value);
    }
  }
}

// A condition that a rule of that id must meet besides its own.
void add_guards(Json& base, const Json* guards) {
  Json* rules = base.find("rules");
  if (guards == nullptr || rules == nullptr) return;
  Json guarded = Json::array();
  for (Json rule : rules->items()) {
    const Json* when = rule.find("when");
    const Json* guard = guards->find(text_at(rule, "id"));
    if (guard != nullptr && when != nullptr) {
      rule.set("when", Json::object({{"all", Json::array({*guard, *when})}}));
    }
    guarded.append(std::move(rule));
  }
  base.set("rules", std::move(guarded));
}

template <typename Row>
Result<void> parse_rows(const Json& file, std::string_view key, Result<Row> (*parse)(const Json&),
                        std::vector<VersionedRow<Row>>& out) {
  const Json* rows = file.find(key);
  if (rows == nullptr) return {};
  for (const Json& json : rows->items()) {
    RQ_TRY(Row row, parse(json));
    out.push_back({.row = std::move(row), .json = &json});
  }
  return {};
}

Result<void> parse_builds(EngineFile& file) {
  const Json* builds = file.json.find("builds");
  if (builds == nullptr) return corrupt("no 'builds'");
  for (const Json& json : builds->items()) {
    file.builds.push_back({.engine = text_at(json, "engine"),
                           .platform = text_at(json, "platform"),
                           .capability = int_of(json, "capability"),
                           .json = &json});
    if (file.builds.back().engine.empty() || file.builds.back().platform.empty()) {
      return corrupt("a build without 'engine' or 'platform'");
    }
  }
  return {};
}

std::string_view text_of_file(std::span<const EmbeddedFile> files, std::string_view stem) {
  for (const EmbeddedFile& file : files) {
    if (file.name.size() == stem.size() + kEnding.size() && file.name.starts_with(stem)) {
      return file.text;
    }
  }
  return "";
}

}  // namespace

const EngineBuild* EngineFile::build(std::string_view engine) const {
  const auto found = std::find_if(builds.begin(), builds.end(),
                                  [&](const EngineBuild& one) { return one.engine == engine; });
  return found == builds.end() ? nullptr : &*found;
}

std::vector<std::string> EngineFile::versions_of(const EngineBuild& build) const {
  std::vector<std::string> out;
  for (const std::string& version : versions) {
    if (covers(*build.json, VersionNumber(version))) out.push_back(version);
  }
  return out;
}

Result<std::shared_ptr<const EngineFile>> parse_engine_file(std::string_view text,
                                                            std::string_view additions) {
  auto file = std::make_shared<EngineFile>();
  RQ_TRY(file->json, parse_json(text));
  if (!additions.empty()) {
    RQ_TRY(const Json more, parse_json(additions));
    add_guards(file->json, more.find("guard"));
    merge(file->json, more);
  }
  file->versions = texts_of(file->json.find("versions"));
  if (file->versions.empty() || file->json.find("rules") == nullptr) {
    return corrupt("no 'versions' or no 'rules'");
  }
  RQ_CHECK(parse_builds(*file));
  RQ_CHECK(parse_rows(file->json, "rules", parse_rule, file->rules));
  RQ_CHECK(parse_rows(file->json, "schemes", parse_scheme, file->schemes));
  RQ_CHECK(parse_rows(file->json, "moe_schemes", parse_scheme, file->moe_schemes));
  RQ_CHECK(parse_rows(file->json, "method_schemes", parse_scheme, file->method_schemes));
  RQ_CHECK(parse_rows(file->json, "kernels", parse_kernel, file->kernels));
  RQ_CHECK(parse_rows(file->json, "overrides", parse_override, file->overrides));
  return std::shared_ptr<const EngineFile>(std::move(file));
}

std::vector<std::string_view> engine_files() {
  std::vector<std::string_view> out;
  for (const EmbeddedFile& file : embedded_engines()) {
    out.push_back(file.name.substr(0, file.name.size() - kEnding.size()));
  }
  return out;
}

Result<std::shared_ptr<const EngineFile>> load_engine_file(std::string_view stem) {
  static std::mutex mutex;
  using Loaded = std::map<std::string, std::shared_ptr<const EngineFile>, std::less<>>;
  static Loaded& loaded = *new Loaded;  // never freed: that takes time when the process ends
  const std::lock_guard lock(mutex);
  if (const auto entry = loaded.find(stem); entry != loaded.end()) return entry->second;
  RQ_TRY_IN(auto file,
            parse_engine_file(text_of_file(embedded_engines(), stem),
                              text_of_file(embedded_engine_additions(), stem)),
            std::string(stem) + ".json");
  loaded.emplace(stem, file);
  return file;
}

Result<std::shared_ptr<const EngineFile>> file_of_engine(std::string_view engine) {
  const auto files = engine_files();
  // "vllm-cpu" is a build of vllm.json: the longest name that begins the engine's.
  std::string_view stem;
  for (const std::string_view name : files) {
    if (engine.starts_with(name) && name.size() > stem.size()) stem = name;
  }
  if (!stem.empty()) {
    RQ_TRY(auto file, load_engine_file(stem));
    if (file->build(engine) != nullptr) return file;
  }
  return usage("no data on an engine named " + in_quotes(engine));
}

}  // namespace requant
