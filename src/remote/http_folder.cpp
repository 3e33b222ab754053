#include "remote/http_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "base/threads.h"
#include "remote/http_file.h"

namespace requant {
namespace {

constexpr std::uint64_t kHeadBytes = 256 * 1024;  // where nobody knows what will be read
constexpr std::uint64_t kProbeBytes = 64 * 1024;  // of a file that may not be there
constexpr std::uint64_t kLeastBytes = 16 * 1024;  // less costs as much
constexpr std::uint64_t kMostHead = std::uint64_t{8} << 20;
constexpr std::uint64_t kMaxListBytes = std::uint64_t{16} << 20;  // of one page
constexpr std::size_t kMaxPages = 100;                            // the hub has 1000 files on each

struct Entry {
  std::optional<std::uint64_t> size;
  std::shared_ptr<const HttpFile> file;  // where it was asked for already
};

class HttpFolder final : public Folder {
 public:
  HttpFolder(std::shared_ptr<const HttpClient> client, Address address)
      : client_(std::move(client)), address_(std::move(address)) {}

  Result<void> list();
  Result<void> look_for(std::span<const std::string> names);

  std::string label() const override { return address_.label; }
  bool has(std::string_view name) const override { return entries_.find(name) != entries_.end(); }
  Result<std::vector<std::string>> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }
  Result<std::vector<std::string>> file_names() const override { return names(); }
  bool lists_all() const override { return !address_.listing.empty(); }
  Result<File> open(std::string_view name, std::uint64_t head_bytes) const override;
  int readers() const override { return kMaxRequests; }
  bool is_far() const override { return true; }

 private:
  HttpFile::Place place_of(std::string_view name) const {
    return {.url = address_.url_of(name), .label = printable(name), .size = {}};
  }
  Result<void> add_page(const std::string& text);
  void add_file(const Json& item);

  std::shared_ptr<const HttpClient> client_;
  Address address_;
  std::map<std::string, Entry, std::less<>> entries_;
};

Result<void> HttpFolder::list() {
  constexpr std::string_view kWhat = "the hub's list of files";
  std::string url = address_.listing;
  for (std::size_t page = 0; !url.empty(); ++page) {
    if (page == kMaxPages) {
      return corrupt(fmt::format("{}: more than {} pages", kWhat, kMaxPages));
    }
    RQ_TRY_IN(HttpAnswer answer, client_->get(url, kMaxListBytes), kWhat);
    if (answer.status != 200) return client_->denial(answer, url).within(kWhat);
    RQ_CHECK_IN(add_page(answer.body), kWhat);
    url = std::move(answer.next);
  }
  if (entries_.empty()) return not_found("there are no files");
  return {};
}

Result<void> HttpFolder::add_page(const std::string& text) {
  RQ_TRY(const Json page, parse_json(text, {.bytes = kMaxListBytes}));
  if (!page.is_array()) return corrupt("is no array");
  for (const Json& item : page.items()) add_file(item);
  return {};
}

// {"type": "file", "path": "model.safetensors", "size": 123}
void HttpFolder::add_file(const Json& item) {
  const Json* type = item.find("type");
  const Json* path = item.find("path");
  const Json* size = item.find("size");
  if (type == nullptr || path == nullptr || type->as_string() != "file") return;
  std::string_view name = path->as_string().value_or("");
  if (!name.starts_with(address_.path)) return;
  name.remove_prefix(address_.path.size());
  if (name.empty() || name.find('/') != std::string_view::npos) return;
  entries_[std::string(name)].size = size == nullptr ? std::nullopt : size->as_uint();
}

// A file that is denied counts as absent, as some servers say so of what they do not have; unless
// every one of them is denied.
Result<void> HttpFolder::look_for(std::span<const std::string> names) {
  struct Found {
    std::shared_ptr<const HttpFile> file;
    HttpAnswer absent;
    std::optional<Error> error;
  };
  std::vector<Found> found(names.size());
  std::atomic<bool> is_lost = false;  // a server that fails once is not asked for more
  parallel_for(names.size(), 1, readers(), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && !is_lost; ++i) {
      auto file = or_out_of_memory([&] {
        return HttpFile::open(client_, place_of(names[i]), kProbeBytes, &found[i].absent);
      });
      if (file) found[i].file = *std::move(file);
      if (!file) {
        found[i].error = std::move(file).error();
        is_lost = true;
      }
    }
  });
  const HttpAnswer* denied = nullptr;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (found[i].error) return *std::move(found[i].error);
    if (found[i].file != nullptr) {
      entries_[names[i]] = {.size = found[i].file->size(), .file = found[i].file};
    } else if (found[i].absent.is_denied() && denied == nullptr) {
      denied = &found[i].absent;
    }
  }
  if (denied != nullptr && entries_.empty() && address_.file.empty()) {
    return client_->denial(*denied, address_.folder);
  }
  return {};
}

Result<File> HttpFolder::open(std::string_view name, std::uint64_t head_bytes) const {
  HttpFile::Place place = place_of(name);
  const auto known = entries_.find(name);
  if (known == entries_.end() && lists_all()) return not_found(place.label + ": is not there");
  const std::string label = place.label;
  std::shared_ptr<const HttpFile> file;
  if (known != entries_.end()) {
    place.size = known->second.size;
    file = known->second.file;
  }
  if (file == nullptr) {
    if (head_bytes == 0) head_bytes = kHeadBytes;
    head_bytes = std::clamp(head_bytes, kLeastBytes, kMostHead);
    RQ_TRY(file, HttpFile::open(client_, std::move(place), head_bytes));
  }
  const std::uint64_t size = file->size();
  return File::over(std::move(file), size, label);
}

}  // namespace

Result<std::shared_ptr<const Folder>> http_folder(std::shared_ptr<const HttpClient> client,
                                                  Address address,
                                                  std::span<const std::string> usual_names) {
  const bool is_listed = !address.listing.empty();
  const std::string label = address.label;
  auto folder = std::make_shared<HttpFolder>(std::move(client), std::move(address));
  RQ_CHECK_IN(is_listed ? folder->list() : folder->look_for(usual_names), label);
  return std::shared_ptr<const Folder>(std::move(folder));
}

}  // namespace requant
