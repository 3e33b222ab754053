#include "remote/http_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/signals.h"
#include "base/text.h"
#include "base/threads.h"

// The header's macros check what is passed to curl_easy_setopt() itself; here it is a pointer.
#undef curl_easy_setopt
#undef curl_easy_getinfo

namespace requant {
namespace {

constexpr std::size_t kMaxHeaderLine = 16 * 1024;
constexpr long kCrawl = 1000;              // bytes a second
constexpr std::uint64_t kSlowest = 20000;  // bytes a second over a whole transfer

struct Receiver {
  const CurlLibrary& curl;
  CURL* handle;
  const HttpRequest& request;
  HttpResponse response;
  std::uint64_t skip = 0;  // bytes of a whole file before those that were asked for
  bool is_full = false;
  bool is_out_of_memory = false;
};

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x | 0x20) == (y | 0x20);  // of letters and '-'
  });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  const std::size_t end = text.find_last_not_of(kSpace);
  return end == std::string_view::npos ? "" : text.substr(begin, end + 1 - begin);
}

void take_header(HttpResponse& response, std::string_view line) {
  if (line.starts_with("HTTP/")) {  // a further answer: what came before was a proxy's, or 100
    response = HttpResponse();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.size() > kMaxHeaderLine) return;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_word(name, "content-range")) response.content_range = value;
  if (same_word(name, "content-encoding")) response.content_encoding = value;
  if (same_word(name, "link")) response.link = value;
  if (same_word(name, "content-length")) {
    std::uint64_t length = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (problem == std::errc() && end == value.data() + value.size()) response.length = length;
  }
}

// Bytes of the body; false ends the transfer.
bool take_body(Receiver& receiver, std::string_view bytes) {
  long status = 0;
  receiver.curl.easy_getinfo(receiver.handle, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status >= 300) return true;  // curl reads what an error page says, unseen
  if (receiver.response.body.empty() && receiver.skip == 0 && status == 200 &&
      receiver.request.range) {
    receiver.skip = receiver.request.range->begin;
  }
  const std::uint64_t skipped = std::min<std::uint64_t>(receiver.skip, bytes.size());
  receiver.skip -= skipped;
  bytes.remove_prefix(skipped);
  std::string& body = receiver.response.body;
  const std::uint64_t room = receiver.request.limit - body.size();
  body.append(bytes.substr(0, room));
  receiver.is_full = bytes.size() > room;
  return !receiver.is_full;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  Receiver& receiver = *static_cast<Receiver*>(user);
  const auto done = or_out_of_memory([&]() -> Result<void> {
    take_header(receiver.response, {data, size * count});
    return {};
  });
  receiver.is_out_of_memory = !done;
  return done ? size * count : 0;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  Receiver& receiver = *static_cast<Receiver*>(user);
  const auto wants_more = or_out_of_memory([&]() -> Result<bool> {
    return take_body(receiver, {data, size * count});
  });
  receiver.is_out_of_memory = !wants_more;
  return wants_more && *wants_more ? size * count : 0;
}

int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return interrupted(); }

void set_options(Receiver& receiver, const HttpLimits& limits) {
  const HttpRequest& request = receiver.request;
  const auto set = [&](CURLoption option, auto value) {
    receiver.curl.easy_setopt(receiver.handle, option, value);
  };
  const auto patience = static_cast<long>(limits.patience.count());
  const std::uint64_t seconds = 3 * static_cast<std::uint64_t>(patience) + request.limit / kSlowest;
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_USERAGENT, "requant");
  set(CURLOPT_NOSIGNAL, 1L);
  if (!limits.certificates.empty()) set(CURLOPT_CAINFO, limits.certificates.c_str());
  set(CURLOPT_CONNECTTIMEOUT, patience);
  set(CURLOPT_LOW_SPEED_LIMIT, kCrawl);
  set(CURLOPT_LOW_SPEED_TIME, patience);
  set(CURLOPT_TIMEOUT, static_cast<long>(std::min<std::uint64_t>(seconds, 24 * 3600)));
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&receiver));
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&receiver));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
}

TransferFailure failure_of(CURLcode code, const Receiver& receiver, const HttpLimits& limits) {
  const auto fail = [](ErrorCode kind, std::string text, bool passing = false) {
    return TransferFailure{Error(kind, std::move(text)), passing};
  };
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return {interruption(), false};
    case CURLE_OPERATION_TIMEDOUT:
      return fail(ErrorCode::kResource, fmt::format("no answer, or less than {} bytes a second, "
                                                    "for {} s",
                                                    kCrawl, limits.patience.count()));
    case CURLE_PARTIAL_FILE:
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the answer ends after {} bytes, its header says {}",
                              receiver.response.body.size(), receiver.response.length.value_or(0)),
                  true);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return fail(ErrorCode::kResource,
                  fmt::format("the connection broke: {}", receiver.curl.easy_strerror(code)), true);
    case CURLE_PEER_FAILED_VERIFICATION:
      return fail(ErrorCode::kRefused, "the server's certificate is not trusted");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return fail(ErrorCode::kCorrupt, "the server does not answer in HTTP");
    default:
      return fail(ErrorCode::kResource, receiver.curl.easy_strerror(code));
  }
}

HttpResponse finished(Receiver& receiver) {
  HttpResponse& response = receiver.response;
  receiver.curl.easy_getinfo(receiver.handle, CURLINFO_RESPONSE_CODE, &response.status);
  const char* redirect = nullptr;
  receiver.curl.easy_getinfo(receiver.handle, CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) response.redirect = redirect;
  curl_off_t wait = 0;
  receiver.curl.easy_getinfo(receiver.handle, CURLINFO_RETRY_AFTER, &wait);
  response.retry_after = std::chrono::seconds(wait);
  response.is_whole = !receiver.is_full;
  return std::move(response);
}

}  // namespace

TransferResult transfer(const CurlLibrary& curl, CURL* handle, const HttpRequest& request,
                        const HttpLimits& limits) {
  curl.easy_reset(handle);  // options, not connections
  Receiver receiver{.curl = curl, .handle = handle, .request = request, .response = {}};
  set_options(receiver, limits);
  curl_slist* headers = nullptr;
  const auto add = [&](const std::string& line) {
    headers = curl.slist_append(headers, line.c_str());
  };
  if (request.range) {
    add(fmt::format("Range: bytes={}-{}", request.range->begin,
                    request.range->begin + request.range->bytes - 1));
  }
  if (!request.token.empty()) add("Authorization: Bearer " + request.token);
  curl.easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl.easy_perform(handle);
  curl.slist_free_all(headers);
  if (receiver.is_out_of_memory) return TransferFailure{resource("out of memory"), false};
  if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && receiver.is_full)) {
    return failure_of(code, receiver, limits);
  }
  return finished(receiver);
}

}  // namespace requant
