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

struct Listing {
  const Folder& folder;
  std::set<std::string> names;  // of everything in it, links that lead nowhere included

  bool has(std::string_view name) const { return names.contains(std::string(name)); }
};

Result<Listing> list(const Folder& folder) {
  RQ_TRY(const auto names, folder.names());
  return Listing{folder, {names.begin(), names.end()}};
}

bool has_extension(const Container& container, std::string_view name) {
  return std::any_of(container.extensions.begin(), container.extensions.end(),
                     [&](std::string_view end) {
                       return name.ends_with(end) && name.size() > end.size() && name[0] != '.';
                     });
}

// Leaves nothing of `more`: two copies of 200,000 tensors are much.
void append(Source::Parts& parts, Source::Parts more) {
  std::ranges::move(more.tensors, std::back_inserter(parts.tensors));
  std::ranges::move(more.notes, std::back_inserter(parts.notes));
  parts.metadata.merge(more.metadata);
}

// Calls work(i), which gives a Result<void>, for each of `count` files; the error of the first that
// has one.
template <class Work>
Result<void> for_each_file(const Folder& folder, std::size_t count, const Work& work) {
  const auto on_run = [&](std::size_t begin, std::size_t end) -> Result<void> {
    for (std::size_t i = begin; i < end; ++i) RQ_CHECK(work(i));
    return {};
  };
  return try_parallel_for(count, 1, folder.readers(), on_run);
}

struct WeightFile {
  std::string name;
  std::uint64_t head_bytes = 0;  // how long its header probably is; 0: not known
};

// Opens files, then reads their headers, in this order as far as anyone can see, into parts.
Result<void> add_files(const Folder& folder, const std::vector<WeightFile>& names,
                       const Container& container, Source::Parts& parts) {
  parts.container = container.name;
  parts.files.resize(names.size());
  RQ_CHECK(for_each_file(folder, names.size(), [&](std::size_t i) -> Result<void> {
    auto file = folder.open(names[i].name, names[i].head_bytes);
    if (!file) {
      Error error = std::move(file).error();
      // The caller named a folder, and that is there: what is missing is a part of it.
      if (error.code() == ErrorCode::kNotFound) return corrupt(error.message());
      return error;
    }
    parts.files[i] = *std::move(file);
    return {};
  }));
  std::vector<Source::Parts> headers(names.size());
  RQ_CHECK(for_each_file(folder, names.size(), [&](std::size_t i) {
    return container.read_header(parts.files[i], static_cast<std::uint32_t>(i), headers[i]);
  }));
  std::size_t count = parts.tensors.size();
  for (const Source::Parts& header : headers) count += header.tensors.size();
  parts.tensors.reserve(count);
  for (Source::Parts& header : headers) append(parts, std::move(header));
  if (container.check_all != nullptr) RQ_CHECK(container.check_all(parts));
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
Result<std::vector<std::string>> guess_files(const Listing& folder, const Container& container) {
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
void note_ignored(const Listing& folder, const Container& used, Source::Parts& parts) {
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

// A tensor takes its name and some 90 bytes of a header.
std::vector<WeightFile> shards_of(const ShardIndex& index) {
  constexpr std::uint64_t kBytesOfTensor = 90;
  constexpr std::uint64_t kBytesOfFile = 1024;
  std::vector<WeightFile> files;
  for (const std::string& shard : index.shards) files.push_back({shard, kBytesOfFile});
  for (const ShardIndex::Entry& entry : index.entries) {
    files[entry.shard].head_bytes += entry.size + kBytesOfTensor;
  }
  return files;
}

Result<Source> read_shards(const Listing& listing, const ShardIndex& index,
                           const Container& container) {
  Source::Parts parts;
  RQ_CHECK(add_files(listing.folder, shards_of(index), container, parts));
  parts.notes = index_notes(index, parts);
  note_ignored(listing, container, parts);
  return Source::make(std::move(parts));
}

Result<Source> open_index(const Listing& listing, std::string_view name,
                          const Container& container) {
  RQ_TRY(const File file, listing.folder.open(name));
  RQ_TRY(const ShardIndex index, read_index(file, container));
  for (const std::string_view single : container.file_names) {
    const bool used = std::binary_search(index.shards.begin(), index.shards.end(), single);
    if (listing.has(single) && !used) {
      return corrupt(
          fmt::format("{} lies beside {}, which does not name it: either may be the model", single,
                      index.label));
    }
  }
  auto source = read_shards(listing, index, container);
  if (!source) RQ_CHECK(check_unique(index));  // which was wrong before any shard was
  if (source) RQ_CHECK(check_index(index, *source));
  return source;
}

Result<Source> open_files(const Listing& listing, const std::vector<std::string>& names,
                          const Container& container) {
  Source::Parts parts;
  std::vector<WeightFile> files;
  for (const std::string& name : names) files.push_back({.name = name});
  RQ_CHECK(add_files(listing.folder, files, container, parts));
  note_ignored(listing, container, parts);
  return Source::make(std::move(parts));
}

Result<Source> open_folder(const Folder& folder) {
  RQ_TRY(const Listing listing, list(folder));
  for (const Container* container : containers()) {
    for (const std::string_view name : container->index_names) {
      if (listing.has(name)) return open_index(listing, name, *container);
    }
    for (const std::string_view name : container->file_names) {
      if (listing.has(name)) return open_files(listing, {std::string(name)}, *container);
    }
  }
  for (const Container* container : containers()) {
    RQ_TRY_IN(const auto names, guess_files(listing, *container), folder.label());
    if (!names.empty()) return open_files(listing, names, *container);
  }
  std::vector<std::string> expected;
  for (const Container* container : containers()) {
    expected.insert(expected.end(), container->index_names.begin(), container->index_names.end());
    expected.insert(expected.end(), container->file_names.begin(), container->file_names.end());
  }
  return not_found(fmt::format("{}: no weights there, expected one of {}", folder.label(),
                               join(expected, ", ")));
}

Result<const Container*> container_of(std::string_view name, const File& file) {
  RQ_TRY(const Bytes head, file.read_at(0, std::min(file.size(), kHeadBytes)));
  const Probe probe{name, head.span()};
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

Result<Source> open_file(const Folder& folder, std::string_view name) {
  Source::Parts parts;
  RQ_TRY(parts.files.emplace_back(), folder.open(name));
  RQ_TRY(const Container* container, container_of(name, parts.files.back()));
  parts.container = container->name;
  RQ_CHECK(container->read_header(parts.files.back(), 0, parts));
  if (container->check_all != nullptr) RQ_CHECK(container->check_all(parts));
  return Source::make(std::move(parts));
}

// "model.safetensors.index.json" belongs to the container whose files end in ".safetensors".
Result<Source> open_named_index(const Folder& folder, std::string_view name) {
  const std::string_view stem = name.substr(0, name.size() - kIndexEnd.size());
  for (const Container* container : containers()) {
    if (!has_extension(*container, stem)) continue;
    RQ_TRY(const Listing listing, list(folder));
    return open_index(listing, name, *container);
  }
  return refused(printable(name) + ": the index of no kind of file that is known here");
}

}  // namespace

Result<Source> open_source(const Folder& folder, std::string_view name) {
  if (name.empty()) return open_folder(folder);
  return name.ends_with(kIndexEnd) ? open_named_index(folder, name) : open_file(folder, name);
}

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
  if (fs::is_directory(status)) return open_source(*Folder::on_disk(path), "");
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  return open_source(*Folder::on_disk(folder), path.filename().string());
}

}  // namespace requant
