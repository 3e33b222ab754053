#include "rule/beside.h"

#include <algorithm>
#include <utility>

#include "base/file.h"

namespace requant {

bool lies_beside(const Checkpoint& checkpoint, std::string_view name) {
  return std::ranges::find(checkpoint.files(), name) != checkpoint.files().end();
}

std::optional<Json> json_beside(const Checkpoint& checkpoint, std::string_view name) {
  const auto known = checkpoint.side().find(std::string(name));
  if (known != checkpoint.side().end()) return known->second;
  if (!lies_beside(checkpoint, name)) return std::nullopt;
  constexpr std::uint64_t kLimit = std::uint64_t{16} << 20;
  const auto file = checkpoint.folder().open(name);
  if (!file) return std::nullopt;
  const auto bytes = read_small_file(*file, kLimit);
  if (!bytes) return std::nullopt;
  auto json = parse_json(bytes->text());
  if (!json || !json->is_object()) return std::nullopt;
  return *std::move(json);
}

}  // namespace requant
