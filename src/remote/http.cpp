#include "remote/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include "base/signals.h"
#include "base/text.h"

namespace requant {
namespace {

// A server that sends whole files only: so many bytes before the part that is wanted are skipped.
constexpr std::uint64_t kMaxSkip = std::uint64_t{16} << 20;

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_busy(long status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string where(const Origin& origin) {
  return origin.scheme + "://" + origin.host +
         (origin.port == 443 || origin.port == 80 ? "" : fmt::format(":{}", origin.port));
}

// 206: holds the answer to what was asked for.
Result<void> check_part(const HttpResponse& response, HttpRange asked, HttpAnswer& answer) {
  const auto range = parse_content_range(response.content_range);
  if (!range) {
    return corrupt(fmt::format("the answer is a part of a file, with Content-Range {}",
                               in_quotes(response.content_range)));
  }
  const std::uint64_t asked_end = asked.begin + asked.bytes;
  const std::uint64_t end = std::min(asked_end, range->total.value_or(asked_end));
  if (range->begin != asked.begin || range->end != end) {
    return corrupt(fmt::format("asked for bytes {} to {}, the answer says {}", asked.begin,
                               asked_end - 1, in_quotes(response.content_range)));
  }
  if (!response.is_whole || response.body.size() != range->end - range->begin) {
    return corrupt(fmt::format("the answer has {}{} bytes, its Content-Range says {}",
                               response.is_whole ? "" : "more than ", response.body.size(),
                               in_quotes(response.content_range)));
  }
  answer.total = range->total;
  return {};
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t slash = text.find('/');
  const std::size_t dash = text.find('-');
  if (slash == std::string_view::npos || dash >= slash) return std::nullopt;
  const auto begin = number(text.substr(0, dash));
  const auto last = number(text.substr(dash + 1, slash - dash - 1));
  const std::string_view total_text = text.substr(slash + 1);
  const auto total = number(total_text);
  if (!begin || !last || (!total && total_text != "*")) return std::nullopt;
  if (*last < *begin || *last == UINT64_MAX || (total && *last >= *total)) return std::nullopt;
  return ContentRange{*begin, *last + 1, total};
}

std::string next_of_link(std::string_view link) {
  while (!link.empty()) {
    const std::size_t open = link.find('<');
    const std::size_t close = link.find('>', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) return "";
    const std::string_view url = link.substr(open + 1, close - open - 1);
    link.remove_prefix(close + 1);
    const std::string_view parameters = link.substr(0, link.find('<'));
    if (parameters.find("rel=\"next\"") != std::string_view::npos ||
        parameters.find("rel=next") != std::string_view::npos) {
      return std::string(url);
    }
  }
  return "";
}

HttpClient::HttpClient(const CurlLibrary& curl, Hub hub, HttpLimits limits)
    : curl_(curl), hub_(std::move(hub)), limits_(limits) {
  if (auto origin = origin_of(hub_.endpoint)) hub_origin_ = *std::move(origin);
}

HttpClient::~HttpClient() {
  for (CURL* handle : idle_) curl_.easy_cleanup(handle);
}

Result<std::shared_ptr<const HttpClient>> HttpClient::make(Hub hub, HttpLimits limits) {
  RQ_TRY(const CurlLibrary* curl, curl_library());
  return std::shared_ptr<const HttpClient>(new HttpClient(*curl, std::move(hub), limits));
}

std::string HttpClient::token_for(const Origin& origin) const {
  const bool is_private = origin.scheme == "https" || origin.is_loopback();
  return origin == hub_origin_ && is_private ? hub_.token : "";
}

TransferResult HttpClient::once(const HttpRequest& request) const {
  free_.acquire();
  CURL* handle = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    if (!idle_.empty()) {
      handle = idle_.back();
      idle_.pop_back();
    }
  }
  if (handle == nullptr) handle = curl_.easy_init();
  TransferResult result = TransferFailure{resource("out of memory"), false};
  if (handle != nullptr) result = transfer(curl_, handle, request, limits_);
  if (handle != nullptr) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(handle);
  }
  free_.release();
  return result;
}

// One request, and where its answer redirects to.
TransferResult HttpClient::follow(HttpRequest request) const {
  std::string last;
  for (int i = 0; i <= limits_.redirects; ++i) {
    const auto origin = origin_of(request.url);
    if (!origin) return TransferFailure{Error(origin.error()).within("it redirects to"), false};
    if (last.starts_with("https://") && origin->scheme != "https") {
      return TransferFailure{refused("it redirects from https to " + where(*origin)), false};
    }
    request.token = token_for(*origin);
    TransferResult result = once(request);
    if (result.failure()) {
      TransferFailure failure = *result.failure();
      if (i > 0) failure.error = std::move(failure.error).within("redirected to " + where(*origin));
      return failure;
    }
    HttpResponse& response = result.response();
    if (!is_redirect(response.status)) return result;
    if (response.redirect.empty()) {
      return TransferFailure{corrupt("it redirects to nowhere"), false};
    }
    last = std::exchange(request.url, response.redirect);
  }
  return TransferFailure{corrupt(fmt::format("it redirects more than {} times", limits_.redirects)),
                         false};
}

// Asks again while the server is busy or the connection breaks.
Result<HttpResponse> HttpClient::ask(HttpRequest request) const {
  std::chrono::milliseconds wait = limits_.first_wait;
  for (int attempt = 1;; ++attempt, wait *= 2) {
    TransferResult result = follow(request);
    const auto& failure = result.failure();
    const bool is_last = attempt == limits_.attempts;
    if (failure && (!failure->is_passing || is_last)) return failure->error;
    std::chrono::milliseconds asked{0};
    if (!failure) {
      HttpResponse& response = result.response();
      if (!is_busy(response.status)) return std::move(response);
      asked = response.retry_after;
      if (is_last || asked > limits_.longest_wait) {
        const std::string when =
            asked.count() == 0 ? ""
                               : fmt::format(", to be asked again in {} s", asked.count() / 1000);
        return resource(fmt::format("the server answers {}, asked {} time{}{}", response.status,
                                    attempt, attempt == 1 ? "" : "s", when));
      }
    }
    if (interrupted()) return interruption();
    std::this_thread::sleep_for(std::max(wait, asked));
  }
}

Result<HttpAnswer> HttpClient::get_range(const std::string& url, HttpRange range) const {
  RQ_TRY(HttpResponse response,
         ask({.url = url, .range = range, .limit = range.bytes, .token = {}}));
  HttpAnswer answer;
  answer.status = response.status;
  if (response.status == 206 || response.status == 200) {
    if (!response.content_encoding.empty() && response.content_encoding != "identity") {
      return corrupt(fmt::format("the answer is encoded as {}, which was not asked for",
                                 in_quotes(response.content_encoding)));
    }
  }
  if (response.status == 206) {
    RQ_CHECK(check_part(response, range, answer));
  } else if (response.status == 200) {
    if (range.begin > kMaxSkip) return refused("the server sends whole files only, no parts");
    answer.total = response.length;
    if (response.is_whole && range.begin == 0) answer.total = response.body.size();
  } else if (response.status == 416) {
    answer.total = number(
        std::string_view(response.content_range)
            .substr(std::min(response.content_range.size(), std::string_view("bytes */").size())));
  }
  answer.body = std::move(response.body);
  return answer;
}

Result<HttpAnswer> HttpClient::get(const std::string& url, std::uint64_t limit) const {
  RQ_TRY(HttpResponse response, ask({.url = url, .range = {}, .limit = limit, .token = {}}));
  if (!response.is_whole) {
    return refused(fmt::format("more than {}", human_bytes(limit)));
  }
  HttpAnswer answer;
  answer.status = response.status;
  answer.total = response.body.size();
  answer.body = std::move(response.body);
  answer.next = next_of_link(response.link);
  return answer;
}

Error HttpClient::denial(const HttpAnswer& answer, const std::string& url) const {
  const auto origin = origin_of(url);
  const bool is_hub = origin && *origin == hub_origin_;
  switch (answer.status) {
    case 401:
    case 403: {
      const std::string_view advice = !is_hub              ? ""
                                      : hub_.token.empty() ? "; a token in HF_TOKEN may open it"
                                      : token_for(*origin).empty()
                                          ? "; HF_TOKEN is not sent over http://"
                                          : "; the token of HF_TOKEN does not open it";
      return not_found(fmt::format("the server denies it ({}){}", answer.status, advice));
    }
    case 404:
    case 410:
      return not_found(fmt::format("is not there ({})", answer.status));
    default:
      return corrupt(fmt::format("the server answers {}, expected 200 or 206", answer.status));
  }
}

}  // namespace requant
