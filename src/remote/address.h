#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace requant {

// Where a server is: scheme, host and port, in lower case.
struct Origin {
  std::string scheme;  // "https" or "http"
  std::string host;    // "huggingface.co", "127.0.0.1", "[::1]"
  int port = 0;

  bool is_loopback() const;
  friend bool operator==(const Origin&, const Origin&) = default;
};

// The origin of an http:// or https:// URL. Strict, so that no other reader of the URL can see
// another host in it: kRefused for every other scheme, for a user name or password, and for
// characters that a URL does not have.
Result<Origin> origin_of(std::string_view url);

// What the user's environment says of a Hugging Face hub.
struct Hub {
  std::string endpoint = "https://huggingface.co";
  std::string token;  // empty: none
};

// One checkpoint on a server, or one file of it.
struct Address {
  std::string label;    // for messages: never a query, which may hold a signature
  std::string folder;   // URL, with a '/' at its end
  std::string query;    // "?..." for each file; empty: none
  std::string file;     // a plain name; empty: the whole folder
  std::string listing;  // URL of the hub's list of files; empty: the server lists nothing
  std::string path;     // of the folder within that list, with a '/' at its end, or empty

  std::string url_of(std::string_view name) const;
};

// "https://host/path/", "https://host/path/model.safetensors", "hf://org/name@revision/path".
//   kRefused  other schemes, http:// to other than this machine or the hub;  kUsage  malformed
Result<Address> parse_address(std::string_view text, const Hub& hub);

// Every byte but A-Z a-z 0-9 - . _ ~ as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace requant
