#include "engine/versioned.h"

#include <utility>
#include <vector>

#include "base/text.h"

namespace requant {

namespace {

bool is_mark(std::string_view key) { return key == "since" || key == "until" || key == "in"; }
bool is_source(std::string_view key) { return key == "src" || key.ends_with("_src"); }

std::string_view text_of(const Json& json) { return json.as_string().value_or(""); }

// The alternative that the version has; nullptr: it has none.
const Json* alternative(const Json& rows, const VersionNumber& version) {
  for (const Json& row : rows.items()) {
    if (covers(row, version)) return row.find("is");
  }
  return nullptr;
}

Json array_as_of(const Json& node, const VersionNumber& version) {
  Json out = Json::array();
  for (const Json& item : node.items()) {
    if (item.is_object() && !covers(item, version)) continue;
    const Json* several = item.find("are");
    if (several == nullptr) {
      out.append(as_of(item, version));
    } else {
      for (const Json& one : several->items()) out.append(one);
    }
  }
  return out;
}

Json object_as_of(const Json& node, const VersionNumber& version) {
  std::vector<Json::Member> members;
  members.reserve(node.members().size());
  for (const auto& [key, value] : node.members()) {
    if (is_mark(key)) continue;
    if (is_source(key) && !value.is_array()) {
      std::string text = source_as_of(&value, version);
      if (!text.empty()) members.emplace_back(key, std::move(text));
      continue;
    }
    if (value.is_object() && !covers(value, version)) continue;
    const Json* rows = value.find("versions");
    if (rows != nullptr && alternative(*rows, version) == nullptr) continue;
    members.emplace_back(key, as_of(value, version));
  }
  return Json::object(std::move(members));
}

// "a.py:12, b.py:7" -> "a.py", "b.py".
std::vector<std::string> files_of(std::string_view places) {
  std::vector<std::string> files;
  for (std::string_view place : split(places, ',')) {
    if (place.starts_with(' ')) place.remove_prefix(1);
    files.emplace_back(place.substr(0, place.rfind(':')));
  }
  return files;
}

}  // namespace

bool covers(const Json& node, const VersionNumber& version) {
  if (const Json* list = node.find("in")) {
    for (const Json& one : list->items()) {
      if (VersionNumber(text_of(one)) == version) return true;
    }
    return false;
  }
  const Json* since = node.find("since");
  const Json* until = node.find("until");
  return (since == nullptr || VersionNumber(text_of(*since)) <= version) &&
         (until == nullptr || VersionNumber(text_of(*until)) >= version);
}

Json as_of(const Json& node, const VersionNumber& version) {
  if (node.is_array()) return array_as_of(node, version);
  if (!node.is_object()) return node;
  if (const Json* rows = node.find("versions")) {
    const Json* value = alternative(*rows, version);
    return value == nullptr ? Json() : as_of(*value, version);
  }
  return object_as_of(node, version);
}

std::string source_as_of(const Json* node, const VersionNumber& version) {
  if (node == nullptr) return "";
  if (const auto text = node->as_string()) return std::string(*text);
  std::string_view full;   // the last entry that names its files
  std::string_view place;  // the last entry
  for (const auto& [since, entry] : node->members()) {
    if (VersionNumber(since) > version) break;
    place = text_of(entry);
    if (!place.starts_with(':')) full = place;
  }
  if (!place.starts_with(':')) return std::string(place);
  const std::vector<std::string> files = files_of(full);
  std::string out;
  std::size_t i = 0;
  for (std::string_view line : split(place, ',')) {
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (i == files.size()) break;
    out += (out.empty() ? "" : ", ") + files[i++] + std::string(line);
  }
  return out;
}

}  // namespace requant
