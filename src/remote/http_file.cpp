#include "remote/http_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"

namespace requant {

Result<std::shared_ptr<const HttpFile>> HttpFile::open(std::shared_ptr<const HttpClient> client,
                                                       Place place, std::uint64_t head_bytes,
                                                       HttpAnswer* absent) {
  head_bytes = std::max<std::uint64_t>(head_bytes, 1);
  RQ_TRY_IN(HttpAnswer answer, client->get_range(place.url, {0, head_bytes}), place.label);
  if (absent != nullptr && (answer.is_absent() || answer.is_denied())) {
    *absent = std::move(answer);
    return std::shared_ptr<const HttpFile>();
  }
  if (answer.status != 200 && answer.status != 206 && answer.status != 416) {
    return client->denial(answer, place.url).within(place.label);
  }
  if (!answer.total) {
    return refused(place.label + ": the server does not say how long the file is");
  }
  if (answer.status == 416 && *answer.total != 0) {
    return corrupt(fmt::format("{}: the server has no first bytes (416) of a file of {}",
                               place.label, *answer.total));
  }
  if (place.size && *place.size != *answer.total) {
    return corrupt(fmt::format("{}: {} bytes, the list of files says {}", place.label,
                               *answer.total, *place.size));
  }
  const std::uint64_t expected = std::min(head_bytes, *answer.total);
  if (answer.body.size() != expected) {
    return corrupt(fmt::format("{}: the answer has {} bytes, expected {}", place.label,
                               answer.body.size(), expected));
  }
  place.size = answer.total;
  return std::shared_ptr<const HttpFile>(
      new HttpFile(std::move(client), std::move(place), std::move(answer.body)));
}

Result<void> HttpFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const auto end = (Checked(offset) + out.size()).value();
  if (!end || *end > size()) {
    return corrupt(fmt::format("{}: the file has {} bytes, expected {} at {}", place_.label, size(),
                               out.size(), offset));
  }
  if (offset < head_.size()) {
    const std::size_t bytes = std::min<std::size_t>(out.size(), head_.size() - offset);
    std::memcpy(out.data(), head_.data() + offset, bytes);
    out = out.subspan(bytes);
    offset += bytes;
  }
  if (out.empty()) return {};
  RQ_TRY_IN(const HttpAnswer answer, client_->get_range(place_.url, {offset, out.size()}),
            place_.label);
  if (answer.status != 200 && answer.status != 206) {
    return client_->denial(answer, place_.url).within(place_.label);
  }
  if (answer.total && *answer.total != size()) {
    return corrupt(fmt::format("{}: {} bytes now, {} when it was opened", place_.label,
                               *answer.total, size()));
  }
  if (answer.body.size() != out.size()) {
    return corrupt(fmt::format("{}: the answer has {} bytes, expected {}", place_.label,
                               answer.body.size(), out.size()));
  }
  std::memcpy(out.data(), answer.body.data(), out.size());
  return {};
}

}  // namespace requant
