#include "text/decoder.h"

#include <charconv>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "text/byte_level.h"
#include "text/json_value.h"
#include "text/unicode.h"

namespace requant {
namespace {

using Step = TokenDecoder::Step;
using Tokens = std::vector<std::string>;

constexpr std::size_t kSteps = 64;

std::string joined(const Tokens& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  return all;
}

Result<Step> parse_byte_level(const Json&) {
  return Step([](Tokens& tokens) -> Result<void> {
    std::string bytes;
    for (const std::string& token : tokens) bytes += from_byte_characters(token);
    tokens = {replace_invalid(bytes)};
    return {};
  });
}

Result<Step> parse_fuse(const Json&) {
  return Step([](Tokens& tokens) -> Result<void> {
    tokens = {joined(tokens)};
    return {};
  });
}

// The byte of "<0x0A>".
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return std::nullopt;
  unsigned value = 0;
  const char* end = token.data() + 5;
  const auto read = std::from_chars(token.data() + 3, end, value, 16);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return static_cast<char>(value);
}

// Bytes in a row are one text where they are UTF-8, else each is U+FFFD.
void add_bytes(std::string& bytes, Tokens& out) {
  if (bytes.empty()) return;
  if (valid_utf8(bytes)) {
    out.push_back(bytes);
  } else {
    out.insert(out.end(), bytes.size(), "\uFFFD");
  }
  bytes.clear();
}

Result<Step> parse_byte_fallback(const Json&) {
  return Step([](Tokens& tokens) -> Result<void> {
    Tokens out;
    std::string bytes;
    for (std::string& token : tokens) {
      if (const auto byte = byte_of(token)) {
        bytes.push_back(*byte);
        continue;
      }
      add_bytes(bytes, out);
      out.push_back(std::move(token));
    }
    add_bytes(bytes, out);
    tokens = std::move(out);
    return {};
  });
}

Result<Step> parse_replace(const Json& json) {
  RQ_TRY(SplitPattern pattern, pattern_at(json, "pattern"));
  const auto shared = std::make_shared<const SplitPattern>(std::move(pattern));
  return Step([shared, content = text_at(json, "content")](Tokens& tokens) -> Result<void> {
    for (std::string& token : tokens) {
      RQ_TRY(const auto stretches, shared->split(token));
      std::string out;
      for (const Stretch& s : stretches) {
        out += s.matched ? content : token.substr(s.begin, s.end - s.begin);
      }
      token = std::move(out);
    }
    return {};
  });
}

Result<Step> parse_strip(const Json& json) {
  const std::string content = text_at(json, "content");
  const Json* start = json.find("start");
  const Json* stop = json.find("stop");
  const std::uint64_t before = start == nullptr ? 0 : start->as_uint().value_or(0);
  const std::uint64_t after = stop == nullptr ? 0 : stop->as_uint().value_or(0);
  if (content.empty()) return corrupt("Strip without a content");
  return Step([content, before, after](Tokens& tokens) -> Result<void> {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (std::uint64_t i = 0; i < before && rest.starts_with(content); ++i) {
        rest.remove_prefix(content.size());
      }
      for (std::uint64_t i = 0; i < after && rest.ends_with(content); ++i) {
        rest.remove_suffix(content.size());
      }
      token = std::string(rest);
    }
    return {};
  });
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (!text.empty()) {
    const std::size_t place = text.find(from);
    out += text.substr(0, place);
    if (place == std::string_view::npos) break;
    out += to;
    text.remove_prefix(place + from.size());
  }
  return out;
}

Result<Step> parse_metaspace(const Json& json) {
  const std::string replacement = text_at(json, "replacement");
  const std::string scheme = text_at(json, "prepend_scheme");
  const bool prepends =
      scheme.empty() ? flag_at(json, "add_prefix_space", true) : scheme != "never";
  if (replacement.empty()) return corrupt("Metaspace without a replacement");
  return Step([replacement, prepends](Tokens& tokens) -> Result<void> {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replaced(tokens[i], replacement, i == 0 && prepends ? "" : " ");
    }
    return {};
  });
}

Result<Step> parse_bpe(const Json& json) {
  const std::string suffix = text_at(json, "suffix");
  if (suffix.empty()) return corrupt("BPEDecoder without a suffix");
  return Step([suffix](Tokens& tokens) -> Result<void> {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replaced(tokens[i], suffix, i + 1 == tokens.size() ? "" : " ");
    }
    return {};
  });
}

struct Type {
  std::string_view name;
  Result<Step> (*parse)(const Json&);
};
constexpr Type kTypes[] = {
    {"ByteLevel", parse_byte_level},
    {"ByteFallback", parse_byte_fallback},
    {"Fuse", parse_fuse},
    {"Replace", parse_replace},
    {"Strip", parse_strip},
    {"Metaspace", parse_metaspace},
    {"BPEDecoder", parse_bpe},
};

Result<void> add_steps(const Json& json, std::vector<Step>& steps) {
  const std::string name = type_of(json);
  if (name == "Sequence") {
    if (const Json* list = json.find("decoders")) {
      for (const Json& item : list->items()) RQ_CHECK(add_steps(item, steps));
    }
    return {};
  }
  for (const Type& type : kTypes) {
    if (type.name != name) continue;
    if (steps.size() == kSteps) return refused("over 64 decoders");
    RQ_TRY(Step step, type.parse(json));
    steps.push_back(std::move(step));
    return {};
  }
  return refused("decoder " + in_quotes(name) + " is not supported");
}

}  // namespace

Result<TokenDecoder> TokenDecoder::parse(const Json* json) {
  TokenDecoder decoder;
  if (json == nullptr || json->is_null()) return decoder;
  decoder.spaced_ = false;
  RQ_CHECK(add_steps(*json, decoder.steps_));
  return decoder;
}

Result<std::string> TokenDecoder::apply(std::vector<std::string> tokens) const {
  if (spaced_) return join(tokens, " ");
  for (const Step& step : steps_) RQ_CHECK(step(tokens));
  return joined(tokens);
}

}  // namespace requant
