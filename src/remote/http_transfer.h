#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "remote/curl_library.h"

namespace requant {

struct HttpLimits {
  std::chrono::seconds patience{20};          // to connect, and without an answer or at a crawl
  int attempts = 5;                           // of a request that a busy server turns away
  std::chrono::milliseconds first_wait{250};  // before the second; then twice as long each time
  std::chrono::seconds longest_wait{30};      // that a server may ask for
  int redirects = 5;
  std::string certificates;  // a file of those to trust; empty: the system's
};

struct HttpRange {
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;  // at least 1
};

// One request to one URL, no redirect followed.
struct HttpRequest {
  std::string url;
  std::optional<HttpRange> range;  // else all of it
  std::uint64_t limit = 0;         // of the body's bytes that are kept; more ends the transfer
  std::string token;               // empty: none is sent
};

struct HttpResponse {
  long status = 0;
  std::string body;                     // of 2xx only
  bool is_whole = true;                 // false: the transfer was ended at the limit
  std::optional<std::uint64_t> length;  // Content-Length
  std::string content_range;            // as it was sent; empty: none
  std::string content_encoding;         // the same
  std::string link;                     // the same
  std::string redirect;                 // where a redirect leads, absolute
  std::chrono::seconds retry_after{0};  // 0: not stated
};

// What kept a response away, and whether asking again may help.
struct TransferFailure {
  Error error;
  bool is_passing = false;
};

class TransferResult {
 public:
  TransferResult(HttpResponse response) : response_(std::move(response)) {}  // NOLINT: implicit
  TransferResult(TransferFailure failure) : failure_(std::move(failure)) {}  // NOLINT: implicit

  const std::optional<TransferFailure>& failure() const { return failure_; }
  HttpResponse& response() { return *response_; }

 private:
  std::optional<HttpResponse> response_;
  std::optional<TransferFailure> failure_;
};

// A connection that later transfers of the same handle use again. One thread at a time.
TransferResult transfer(const CurlLibrary& curl, CURL* handle, const HttpRequest& request,
                        const HttpLimits& limits);

}  // namespace requant
