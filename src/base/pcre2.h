#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

// PCRE2 by owners of what it allocates. Who includes this links it.
namespace requant::pcre2 {

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using Code = std::unique_ptr<pcre2_code, Free>;
using MatchData = std::unique_ptr<pcre2_match_data, Free>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free>;

inline const unsigned char* units(std::string_view text) {
  return static_cast<const unsigned char*>(static_cast<const void*>(text.data()));
}

// The text of an error's number.
inline std::string reason_of(int code) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return static_cast<const char*>(static_cast<const void*>(text.data()));
}

}  // namespace requant::pcre2
