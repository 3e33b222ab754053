#include "remote/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "base/letter_case.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::string_view kFileEnds[] = {".safetensors", ".json", ".bin", ".pt", ".pth", ".gguf"};
constexpr std::string_view kHubScheme = "hf://";

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
  }
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_';
  });
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char letter = static_cast<char>(c | 0x20);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit_of(text[i + 1]);
    const int low = digit_of(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool names_a_file(std::string_view name) {
  return std::ranges::any_of(kFileEnds, [&](std::string_view end) {
    return name.size() > end.size() && name.ends_with(end);
  });
}

// "a/b/model.safetensors" -> "a/b/" and the file; any other path is a folder's.
std::pair<std::string, std::string> split_path(std::string_view path) {
  const std::size_t begin = path.rfind('/') + 1;  // 0 where there is none
  const std::string_view last = path.substr(begin);
  if (names_a_file(last)) return {std::string(path.substr(0, begin)), std::string(last)};
  std::string folder(path);
  if (!last.empty()) folder += '/';
  return {folder, ""};
}

Result<Address> parse_web(std::string_view text, const Hub& hub) {
  RQ_TRY_IN(const Origin origin, origin_of(text), printable(text.substr(0, text.find('?')), 1024));
  const auto endpoint = origin_of(hub.endpoint);
  const bool is_hub = endpoint && *endpoint == origin;
  text = text.substr(0, text.find('#'));
  Address address;
  const std::size_t question = std::min(text.find('?'), text.size());
  address.query = text.substr(question);
  text = text.substr(0, question);
  if (origin.scheme == "http" && !origin.is_loopback() && !is_hub) {
    return refused(fmt::format("{}: http:// is read from this machine only, expected https://",
                               printable(text, 1024)));
  }
  const std::size_t path = std::min(text.find('/', text.find("://") + 3), text.size());
  auto [folder, file] = split_path(text.substr(path));
  address.label = printable(text, 1024);
  address.folder = std::string(text.substr(0, path)) + (folder.empty() ? "/" : folder);
  const auto name = percent_decoded(file);
  if (!name || name->find('/') != std::string::npos) {
    return usage(fmt::format("{}: {} is no file name", address.label, in_quotes(file)));
  }
  address.file = *name;
  return address;
}

// "refs/pr/3" has slashes that belong to it; any other revision ends at the first.
std::size_t end_of_revision(std::string_view text) {
  std::size_t end = std::min(text.find('/'), text.size());
  if (!text.starts_with("refs/")) return end;
  for (int i = 0; i < 2 && end < text.size(); ++i) {
    end = std::min(text.find('/', end + 1), text.size());
  }
  return end;
}

bool is_hub_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         std::ranges::all_of(
             name, [](char c) { return is_alphanumeric(c) || c == '.' || c == '-' || c == '_'; });
}

std::string encoded_path(std::string_view path) {
  std::string out;
  for (const std::string_view part : split(path, '/')) {
    if (!out.empty()) out += '/';
    out += percent_encoded(part);
  }
  return out;
}

Result<Address> parse_hub(std::string_view text, const Hub& hub) {
  const auto malformed = [&] {
    return usage(printable(text, 1024) +
                 ": expected hf://ORG/NAME, hf://ORG/NAME@REVISION or a "
                 "folder or file of those");
  };
  std::string_view rest = text.substr(kHubScheme.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return malformed();
  const std::string_view organisation = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  const std::size_t end = std::min(rest.find_first_of("@/"), rest.size());
  const std::string_view name = rest.substr(0, end);
  rest.remove_prefix(end);
  std::string revision = "main";
  if (rest.starts_with('@')) {
    rest.remove_prefix(1);
    const std::size_t length = end_of_revision(rest);
    const auto decoded = percent_decoded(rest.substr(0, length));
    if (!decoded || decoded->empty()) return malformed();
    revision = *decoded;
    rest.remove_prefix(length);
  }
  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (!is_hub_name(organisation) || !is_hub_name(name)) return malformed();
  std::string endpoint = hub.endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  RQ_TRY_IN(const Origin origin, origin_of(endpoint), "HF_ENDPOINT");

  Address address;
  address.label = printable(text, 1024);
  std::tie(address.path, address.file) = split_path(rest);
  const std::string encoded = percent_encoded(revision);
  address.folder = fmt::format("{}/{}/{}/resolve/{}/{}", endpoint, organisation, name, encoded,
                               encoded_path(address.path));
  address.listing =
      fmt::format("{}/api/models/{}/{}/tree/{}?recursive=1", endpoint, organisation, name, encoded);
  return address;
}

}  // namespace

bool Origin::is_loopback() const {
  if (host == "localhost" || host == "[::1]") return true;
  // Four numbers, or "127.evil.example" would be this machine.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

Result<Origin> origin_of(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) return refused("expected https://");
  Origin origin;
  origin.scheme = to_lower(url.substr(0, colon));
  if (origin.scheme != "https" && origin.scheme != "http") {
    return refused(
        fmt::format("{}:// is not read, expected https:// or hf://", printable(origin.scheme, 32)));
  }
  const auto odd = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F ||
           std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos;
  };
  if (std::ranges::any_of(url, odd)) {
    return refused("a character that belongs into no URL, expected it as %XX");
  }
  std::string_view authority = url.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return refused("a user name or password in the address: it would end up in logs");
  }
  const bool v6 = authority.starts_with('[');
  const std::size_t port = authority.find(':', v6 ? authority.find(']') : 0);
  origin.host = to_lower(authority.substr(0, port));
  origin.port = origin.scheme == "https" ? 443 : 80;
  if (port != std::string_view::npos) {
    const std::string_view digits = authority.substr(port + 1);
    const auto [end, problem] =
        std::from_chars(digits.data(), digits.data() + digits.size(), origin.port);
    if (problem != std::errc() || end != digits.data() + digits.size() || origin.port < 1 ||
        origin.port > 65535) {
      return refused(in_quotes(digits) + " is no port");
    }
  }
  if (!is_host(origin.host)) return refused(in_quotes(origin.host) + " is no host");
  return origin;
}

std::string Address::url_of(std::string_view name) const {
  return folder + percent_encoded(name) + query;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<Address> parse_address(std::string_view text, const Hub& hub) {
  return text.starts_with(kHubScheme) ? parse_hub(text, hub) : parse_web(text, hub);
}

}  // namespace requant
