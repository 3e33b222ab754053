#include "remote/curl_library.h"

#include <dlfcn.h>

#include <bit>
#include <string>
#include <string_view>

namespace requant {
namespace {

// Debian's names, the usual one first; all have had the same functions since 7.16.
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
// From here on the protocols of a handle are named by text, and it says how long to wait.
constexpr unsigned kOldest = 0x075500;

struct Loaded {
  CurlLibrary functions;
  std::string problem;  // empty: all are there
};

template <class Function>
void find(void* library, const char* name, Function& function, std::string& problem) {
  function = std::bit_cast<Function>(::dlsym(library, name));
  if (function == nullptr) problem = std::string("libcurl has no function ") + name;
}

Loaded load() {
  Loaded loaded;
  void* library = nullptr;
  for (const char* name : kNames) {
    if (library == nullptr) library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    loaded.problem = std::string("reading over HTTP takes libcurl, and there is no ") + kNames[0] +
                     " (Debian: apt install libcurl4)";
    return loaded;
  }
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_version_info) version_info = nullptr;
  std::string& problem = loaded.problem;
  CurlLibrary& functions = loaded.functions;
  find(library, "curl_global_init", global_init, problem);
  find(library, "curl_version_info", version_info, problem);
  find(library, "curl_easy_init", functions.easy_init, problem);
  find(library, "curl_easy_cleanup", functions.easy_cleanup, problem);
  find(library, "curl_easy_reset", functions.easy_reset, problem);
  find(library, "curl_easy_setopt", functions.easy_setopt, problem);
  find(library, "curl_easy_getinfo", functions.easy_getinfo, problem);
  find(library, "curl_easy_perform", functions.easy_perform, problem);
  find(library, "curl_easy_strerror", functions.easy_strerror, problem);
  find(library, "curl_slist_append", functions.slist_append, problem);
  find(library, "curl_slist_free_all", functions.slist_free_all, problem);
  if (!problem.empty()) return loaded;
  const curl_version_info_data* version = version_info(CURLVERSION_NOW);
  if (version->version_num < kOldest) {
    problem = std::string("libcurl is ") + version->version + ", expected 7.85 or newer";
  } else if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    problem = "libcurl does not start";
  }
  return loaded;
}

}  // namespace

Result<const CurlLibrary*> curl_library() {
  static const Loaded loaded = load();
  if (!loaded.problem.empty()) return resource(loaded.problem);
  return &loaded.functions;
}

}  // namespace requant
