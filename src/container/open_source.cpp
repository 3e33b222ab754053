#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "base/threads.h"
#include "container/container.h"
#include "container/foreign.h"
#include "container/index.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHeadBytes = 4096;
constexpr std::string_view kIndexEnd = ".index.json";

struct Folder {
  fs::path path;
  std::set<std::string> names;  // of everything in it, links that lead nowhere included

  bool has(std::string_view name) const { return names.contains(std::string(name)); }
};

Result<Folder> list(const fs::path& path) {
  Folder folder{path, {}};
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    folder.names.insert(entry->path().filename().string());
  }
  if (error) return resource(printable(path.string(), 4096) + ": " + error.message());
  return folder;
}

bool has_extension(const Container& container, std::string_view name) {
  return std::any_of(container.extensions.begin(), container.extensions.end(),
                     [&](std::string_view end) {
                       return name.ends_with(end) && name.size() > end.size() && name[0] != '.';
                     });
}

void append(Source::Parts& parts, Source::Parts&& more) {
  std::ranges::move(more.tensors, std::back_inserter(parts.tensors));
  std::ranges::move(more.notes, std::back_inserter(parts.notes));
  parts.metadata.merge(more.metadata);
}

// Opens files, then reads their headers, in this order as far as anyone can see, into parts.
Result<void> add_files(const fs::path& folder, const std::vector<std::string>& names,
                       const Container& container, Source::Parts& parts) {
  parts.container = container.name;
  for (const std::string& name : names) {
    auto file = File::open(folder / name, printable(name));
    if (!file) {
      Error error = std::move(file).error();
      // The caller named a folder, and that is there: what is missing is a part of it.
      if (error.code() == ErrorCode::kNotFound) return corrupt(error.message());
      return error;
    }
    parts.files.push_back(*std::move(file));
  }
  std::vector<Source::Parts> headers(names.size());
  std::vector<std::optional<Error>> errors(names.size());
  parallel_for(names.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      auto read = container.read_header(parts.files[i], static_cast<std::uint32_t>(i), headers[i]);
      if (read) continue;
      errors[i] = std::move(read).error();
      return;
    }
  });
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (errors[i]) return *std::move(errors[i]);
    append(parts, std::move(headers[i]));
  }
  return {};
}

// "model-00002-of-00007.safetensors": its 2, its 7, and the name without them.
struct ShardName {
  std::uint32_t number = 0;
  std::uint32_t count = 0;
  std::string family;
};

std::optional<ShardName> parse_shard_name(std::string_view name) {
  constexpr std::size_t kDigits = 5;
  constexpr std::string_view kOf = "-of-";
  constexpr std::size_t kRun = 1 + kDigits + kOf.size() + kDigits;  // "-00002-of-00007"
  const std::size_t of = name.rfind(kOf);
  if (of == std::string_view::npos || of < 1 + kDigits) return std::nullopt;
  const std::size_t begin = of - kDigits - 1;
  if (name.size() < begin + kRun || name[begin] != '-') return std::nullopt;
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    const char* from = name.data() + at;
    const auto [end, error] = std::from_chars(from, from + kDigits, value);
    return error == std::errc() && end == from + kDigits ? value : 0;
  };
  ShardName shard{number(begin + 1), number(of + kOf.size()), std::string(name)};
  if (shard.number == 0 || shard.count == 0) return std::nullopt;
  shard.family.erase(begin, kRun);
  return shard;
}

// The files that make up the model where no index says so: one file, or one complete set of shards.
Result<std::vector<std::string>> guess_files(const Folder& folder, const Container& container) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::string>> families;
  for (const std::string& name : folder.names) {
    if (!has_extension(container, name)) continue;
    names.push_back(name);
    if (const auto shard = parse_shard_name(name)) families[shard->family].push_back(name);
  }
  if (names.size() <= 1 && families.empty()) return names;
  if (families.size() != 1) {
    return refused(
        fmt::format("{} files {} and no index, expected one file or one set of shards: "
                    "name the file, or the index",
                    names.size(), in_quotes(names.front() + "', '" + names[1])));
  }
  const auto& [family, members] = *families.begin();
  const std::uint32_t count = parse_shard_name(members.front())->count;
  if (members.size() != count) {
    return corrupt(fmt::format("{} of the {} shards that {} belongs to are there, and no index",
                               members.size(), count, in_quotes(members.front())));
  }
  return members;
}

// Weight files that are there and not read.
void note_ignored(const Folder& folder, const Container& used, Source::Parts& parts) {
  std::set<std::string> read;
  for (const File& file : parts.files) read.insert(file.label());
  const auto note = [&](std::string_view name) {
    parts.notes.push_back(printable(name) + " is not part of the model that is read");
  };
  for (const std::string& name : folder.names) {
    if (has_extension(used, name) && !read.contains(printable(name))) note(name);
  }
  for (const Container* other : containers()) {
    if (other == &used) continue;
    for (const std::string_view name : other->index_names) {
      if (folder.has(name)) note(name);
    }
    for (const std::string_view name : other->file_names) {
      if (folder.has(name)) note(name);
    }
  }
}

Result<Source> open_index(const Folder& folder, std::string_view name, const Container& container) {
  RQ_TRY(const ShardIndex index, read_index(folder.path / name, container));
  for (const std::string_view single : container.file_names) {
    const bool used = std::binary_search(index.shards.begin(), index.shards.end(), single);
    if (folder.has(single) && !used) {
      return corrupt(
          fmt::format("{} lies beside {}, which does not name it: either may be the model", single,
                      index.label));
    }
  }
  Source::Parts parts;
  RQ_CHECK(add_files(folder.path, index.shards, container, parts));
  parts.notes = index_notes(index, parts);
  note_ignored(folder, container, parts);
  RQ_TRY(Source source, Source::make(std::move(parts)));
  RQ_CHECK(check_index(index, source));
  return source;
}

Result<Source> open_files(const Folder& folder, const std::vector<std::string>& names,
                          const Container& container) {
  Source::Parts parts;
  RQ_CHECK(add_files(folder.path, names, container, parts));
  note_ignored(folder, container, parts);
  return Source::make(std::move(parts));
}

Result<Source> open_folder(const fs::path& path) {
  RQ_TRY(const Folder folder, list(path));
  for (const Container* container : containers()) {
    for (const std::string_view name : container->index_names) {
      if (folder.has(name)) return open_index(folder, name, *container);
    }
    for (const std::string_view name : container->file_names) {
      if (folder.has(name)) return open_files(folder, {std::string(name)}, *container);
    }
  }
  for (const Container* container : containers()) {
    RQ_TRY_IN(const auto names, guess_files(folder, *container), printable(path.string(), 4096));
    if (!names.empty()) return open_files(folder, names, *container);
  }
  std::vector<std::string> expected;
  for (const Container* container : containers()) {
    expected.insert(expected.end(), container->index_names.begin(), container->index_names.end());
    expected.insert(expected.end(), container->file_names.begin(), container->file_names.end());
  }
  return not_found(fmt::format("{}: no weights there, expected one of {}",
                               printable(path.string(), 4096), join(expected, ", ")));
}

Result<const Container*> container_of(const fs::path& path, const File& file) {
  RQ_TRY(const Bytes head, file.read_at(0, std::min(file.size(), kHeadBytes)));
  const Probe probe{path, head.span()};
  const Container* best = nullptr;
  Match best_match = Match::kNo;
  for (const Container* container : containers()) {
    const Match match = container->identify(probe);
    if (match > best_match) std::tie(best, best_match) = std::pair(container, match);
  }
  if (best != nullptr) return best;
  const std::string_view found = foreign_format(head.span());
  return corrupt(fmt::format("{}: expected a file of weights, found {}", file.label(),
                             found.empty() ? "something unknown" : found));
}

Result<Source> open_file(const fs::path& path) {
  Source::Parts parts;
  RQ_TRY(parts.files.emplace_back(), File::open(path, printable(path.filename().string())));
  RQ_TRY(const Container* container, container_of(path, parts.files.back()));
  parts.container = container->name;
  RQ_CHECK(container->read_header(parts.files.back(), 0, parts));
  return Source::make(std::move(parts));
}

// "model.safetensors.index.json" belongs to the container whose files end in ".safetensors".
Result<Source> open_named_index(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string_view stem = std::string_view(name).substr(0, name.size() - kIndexEnd.size());
  for (const Container* container : containers()) {
    if (!has_extension(*container, stem)) continue;
    RQ_TRY(const Folder folder, list(path.has_parent_path() ? path.parent_path() : "."));
    return open_index(folder, name, *container);
  }
  return refused(printable(name) + ": the index of no kind of file that is known here");
}

}  // namespace

Result<Source> open_source(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found &&
      fs::is_symlink(fs::symlink_status(path, error))) {
    return corrupt(printable(path.string(), 4096) + ": a link that leads nowhere");
  }
  if (status.type() == fs::file_type::not_found) {
    return not_found(printable(path.string(), 4096) + ": no such file or folder");
  }
  if (fs::is_directory(status)) return open_folder(path);
  if (path.filename().string().ends_with(kIndexEnd)) return open_named_index(path);
  return open_file(path);
}

}  // namespace requant
