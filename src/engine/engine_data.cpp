#include "engine/engine_data.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/json_at.h"
#include "base/text.h"
#include "engine/engine_file.h"

namespace requant {

namespace {

template <typename Row>
std::vector<Row> rows_as_of(const std::vector<VersionedRow<Row>>& rows,
                            const VersionNumber& version) {
  std::vector<Row> out;
  for (const VersionedRow<Row>& one : rows) {
    if (!covers(*one.json, version)) continue;
    out.push_back(one.row);
    if constexpr (requires { out.back().src; }) {
      out.back().src = source_as_of(one.json->find("src"), version);
    }
  }
  return out;
}

// The tables: all but the lists of rows.
Json tables_as_of(const Json& file, const VersionNumber& version) {
  Json tables = Json::object();
  for (const auto& [key, value] : file.members()) {
    const bool rows = key == "rules" || key == "schemes" || key == "moe_schemes" ||
                      key == "method_schemes" || key == "kernels" || key == "overrides" ||
                      key == "versions";
    if (rows || (value.is_object() && !covers(value, version))) continue;
    tables.set(key, as_of(value, version));
  }
  return tables;
}

std::string source_of(const Json& tables, const EngineId& id) {
  std::string text = text_at(tables, "source");
  for (const auto& [hole, filling] :
       {std::pair("{engine}", id.engine), {"{version}", id.version}}) {
    const auto at = text.find(hole);
    if (at != std::string::npos) text.replace(at, std::string_view(hole).size(), filling);
  }
  return text;
}

EngineData data_as_of(const EngineFile& file, const EngineBuild& build, const EngineId& id) {
  const VersionNumber version(id.version);
  EngineData data;
  data.id = id;
  data.platform = build.platform;
  data.capability = build.capability;
  data.rules = rows_as_of(file.rules, version);
  data.schemes = rows_as_of(file.schemes, version);
  data.moe_schemes = rows_as_of(file.moe_schemes, version);
  data.method_schemes = rows_as_of(file.method_schemes, version);
  data.kernels = rows_as_of(file.kernels, version);
  std::erase_if(data.kernels,
                [&](const KernelRow& kernel) { return kernel.platform != build.platform; });
  data.overrides = rows_as_of(file.overrides, version);
  data.json = tables_as_of(file.json, version);
  data.source = source_of(data.json, id);
  return data;
}

std::string names_of_known() {
  std::vector<std::string> names;
  for (const EngineRange& range : known_ranges()) {
    names.push_back(range.engine + "@" + range.oldest +
                    (range.newest == range.oldest ? "" : " to " + range.newest));
  }
  return join(names, ", ");
}

}  // namespace

std::string EngineData::text_at(std::initializer_list<std::string_view> keys) const {
  const Json* value = json.at(keys);
  return std::string(value == nullptr ? "" : value->as_string().value_or(""));
}

std::vector<std::string> EngineData::texts_at(std::initializer_list<std::string_view> keys) const {
  return texts_of(json.at(keys));
}

Result<std::shared_ptr<const EngineData>> load_engine(const EngineId& id) {
  static std::mutex mutex;
  using Loaded = std::map<std::pair<std::string, std::string>, std::shared_ptr<const EngineData>>;
  static Loaded& loaded = *new Loaded;  // never freed: that takes time when the process ends
  const std::pair key(id.engine, id.version);
  {
    const std::lock_guard lock(mutex);
    if (const auto known = loaded.find(key); known != loaded.end()) return known->second;
  }
  RQ_TRY(const auto file, file_of_engine(id.engine));
  const EngineBuild& build = *file->build(id.engine);
  const auto versions = file->versions_of(build);
  if (std::find(versions.begin(), versions.end(), id.version) == versions.end()) {
    return usage("no data on engine " + in_quotes(id.engine + "@" + id.version));
  }
  auto data = std::make_shared<const EngineData>(data_as_of(*file, build, id));
  const std::lock_guard lock(mutex);
  return loaded.emplace(key, std::move(data)).first->second;
}

Result<EngineRange> range_of(const std::string& engine) {
  RQ_TRY(const auto file, file_of_engine(engine));
  auto versions = file->versions_of(*file->build(engine));
  if (versions.empty()) return usage("no data on an engine named " + in_quotes(engine));
  return EngineRange{.engine = engine,
                     .oldest = versions.front(),
                     .newest = versions.back(),
                     .versions = std::move(versions)};
}

std::vector<EngineRange> known_ranges() {
  std::vector<EngineRange> out;
  for (const std::string_view stem : engine_files()) {
    const auto file = load_engine_file(stem);
    if (!file) continue;
    for (const EngineBuild& build : (*file)->builds) {
      auto versions = (*file)->versions_of(build);
      if (versions.empty()) continue;
      out.push_back({.engine = build.engine,
                     .oldest = versions.front(),
                     .newest = versions.back(),
                     .versions = std::move(versions)});
    }
  }
  return out;
}

std::vector<EngineInfo> known_engines() {
  std::vector<EngineInfo> out;
  for (const EngineRange& range : known_ranges()) {
    const auto file = file_of_engine(range.engine);
    for (const std::string& version : range.versions) {
      const EngineId id{.engine = range.engine, .version = version};
      const Json* source = (*file)->json.find("source");
      const Json tables = Json::object(
          {{"source", source == nullptr ? Json() : as_of(*source, VersionNumber(version))}});
      out.push_back({.id = id, .source = source_of(tables, id)});
    }
  }
  return out;
}

Result<Neighbours> neighbours_of(const EngineId& id) {
  RQ_TRY(const auto file, file_of_engine(id.engine));
  const auto versions = file->versions_of(*file->build(id.engine));
  const VersionNumber asked(id.version);
  Neighbours out;
  for (const std::string& version : versions) {
    if (version == id.version) return Neighbours{version, version, true};
    if (VersionNumber(version) <= asked) {
      out.before = version;
    } else if (out.after.empty()) {
      out.after = version;
    }
  }
  if (out.before.empty()) {
    return usage(id.engine + " " + id.version + " is older than all versions that were read: " +
                 versions.front() + " to " + versions.back());
  }
  return out;
}

Result<EngineId> parse_engine(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size()) {
    return usage("an engine is NAME@VERSION, not " + in_quotes(text) +
                 "; known: " + names_of_known());
  }
  EngineId id{.engine = std::string(text.substr(0, at)),
              .version = std::string(text.substr(at + 1))};
  const auto file = file_of_engine(id.engine);
  if (!file) {
    return usage("no data on engine " + in_quotes(text) + "; known: " + names_of_known());
  }
  RQ_CHECK(neighbours_of(id));
  return id;
}

}  // namespace requant
