#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "remote/address.h"
#include "remote/http_transfer.h"

namespace requant {

inline constexpr int kMaxRequests = 16;  // at once

// What a server finally answered: redirects are followed, and a busy server was asked again.
struct HttpAnswer {
  long status = 0;                     // 200, 206, 416, or what is_absent() and denial() tell
  std::string body;                    // the bytes that were asked for, or those up to the end
  std::optional<std::uint64_t> total;  // bytes of the whole file, where the server says it
  std::string next;                    // the URL of the list's next page; empty: this is the last

  bool is_absent() const { return status == 404 || status == 410; }
  bool is_denied() const { return status == 401 || status == 403; }
};

// Asks servers for files and parts of files. Safe to use from several threads; not more than
// kMaxRequests requests are under way at a time.
class HttpClient {
 public:
  // The token goes to the hub's own origin only, never where that redirects to, and never in the
  // clear but to this machine.
  static Result<std::shared_ptr<const HttpClient>> make(Hub hub, HttpLimits limits = {});
  ~HttpClient();

  // A part of a file. An answer that is not exactly that part is an error: kCorrupt.
  Result<HttpAnswer> get_range(const std::string& url, HttpRange range) const;
  // All of something small.
  Result<HttpAnswer> get(const std::string& url, std::uint64_t limit) const;
  // The error of an answer that is none of 200, 206 and 416.
  Error denial(const HttpAnswer& answer, const std::string& url) const;

 private:
  HttpClient(const CurlLibrary& curl, Hub hub, HttpLimits limits);
  Result<HttpResponse> ask(HttpRequest request) const;
  TransferResult follow(HttpRequest request) const;
  TransferResult once(const HttpRequest& request) const;
  std::string token_for(const Origin& origin) const;

  const CurlLibrary& curl_;
  Hub hub_;
  Origin hub_origin_;
  HttpLimits limits_;
  mutable std::counting_semaphore<kMaxRequests> free_{kMaxRequests};
  mutable std::mutex mutex_;
  mutable std::vector<CURL*> idle_;  // with their open connections
};

// "bytes 0-99/1000".
struct ContentRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // past the last byte
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// The URL in <> of `<https://host/list?page=2>; rel="next"`; empty where there is none.
std::string next_of_link(std::string_view link);

}  // namespace requant
