#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "remote/http.h"

namespace requant {

// A file on a server: its first bytes are here, the rest comes by range requests when it is read.
class HttpFile final : public ByteSource {
 public:
  struct Place {
    std::string url;
    std::string label;
    std::optional<std::uint64_t> size;  // where a list of files says it
  };
  // Asks for the first `head_bytes`; kNotFound where the server has no such file or denies it. With
  // `absent`, a file that is not there is no error: it is set, and the pointer is null.
  static Result<std::shared_ptr<const HttpFile>> open(std::shared_ptr<const HttpClient> client,
                                                      Place place, std::uint64_t head_bytes,
                                                      HttpAnswer* absent = nullptr);

  std::uint64_t size() const { return *place_.size; }
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  HttpFile(std::shared_ptr<const HttpClient> client, Place place, std::string head)
      : client_(std::move(client)), place_(std::move(place)), head_(std::move(head)) {}

  std::shared_ptr<const HttpClient> client_;
  Place place_;
  std::string head_;
};

}  // namespace requant
