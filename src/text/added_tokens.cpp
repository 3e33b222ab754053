#include "text/added_tokens.h"

#include <algorithm>
#include <functional>

#include "text/unicode.h"

namespace requant {
namespace {

bool is_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool before = begin > 0 && is_word(last_code_point(text.substr(0, begin)).value);
  const bool after = end < text.size() && is_word(first_code_point(text.substr(end)).value);
  return !before && !after;
}

std::size_t begin_of_spaces(std::string_view text, std::size_t end, std::size_t least) {
  while (end > least) {
    const CodePoint c = last_code_point(text.substr(0, end));
    if (!is_white_space(c.value)) break;
    end -= c.size;
  }
  return std::max(end, least);
}

std::size_t end_of_spaces(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const CodePoint c = first_code_point(text.substr(begin));
    if (!is_white_space(c.value)) break;
    begin += c.size;
  }
  return begin;
}

}  // namespace

void TokenFinder::add(std::string content, const AddedToken* token) {
  if (content.empty()) return;
  std::vector<std::size_t>& lengths = lengths_[static_cast<unsigned char>(content[0])];
  const auto place =
      std::lower_bound(lengths.begin(), lengths.end(), content.size(), std::greater<>());
  if (place == lengths.end() || *place != content.size()) lengths.insert(place, content.size());
  tokens_.insert_or_assign(std::move(content), token);
}

const std::pair<const std::string, const AddedToken*>* TokenFinder::longest_at(
    std::string_view text) const {
  for (const std::size_t length : lengths_[static_cast<unsigned char>(text[0])]) {
    if (length > text.size()) continue;
    const auto found = tokens_.find(std::string(text.substr(0, length)));
    if (found != tokens_.end()) return &*found;
  }
  return nullptr;
}

std::vector<TextPart> TokenFinder::split(std::string_view text) const {
  std::vector<TextPart> parts;
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto* found = longest_at(text.substr(i));
    if (found == nullptr) {
      ++i;
      continue;
    }
    const AddedToken& token = *found->second;
    std::size_t begin = i;
    std::size_t end = i + found->first.size();
    i = end;
    if (token.single_word && !is_alone(text, begin, end)) continue;
    if (begin < done) continue;  // white space that the one before took
    if (token.lstrip) begin = begin_of_spaces(text, begin, done);
    if (token.rstrip) end = end_of_spaces(text, end);
    if (done < begin) parts.push_back({text.substr(done, begin - done)});
    parts.push_back({text.substr(begin, end - begin), &token});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done)});
  return parts;
}

}  // namespace requant
