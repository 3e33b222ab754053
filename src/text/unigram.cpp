#include "text/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "text/unicode.h"

namespace requant {

Result<Unigram> Unigram::make(UnigramFile file) {
  Unigram unigram;
  unigram.file_ = std::move(file);
  if (unigram.file_.unknown && *unigram.file_.unknown >= unigram.file_.vocab.size()) {
    return corrupt(fmt::format("unk_id {} of a vocabulary of {}", *unigram.file_.unknown,
                               unigram.file_.vocab.size()));
  }
  constexpr double kPenalty = 10;
  double lowest = std::numeric_limits<double>::infinity();
  unigram.branches_.emplace_back();
  TokenId id = 0;
  for (const auto& [token, score] : unigram.file_.vocab) {
    unigram.ids_.insert_or_assign(token, id);
    unigram.plant(token, id++);
    lowest = std::min(lowest, score);
  }
  unigram.unknown_score_ = lowest - kPenalty;
  return unigram;
}

void Unigram::plant(std::string_view token, TokenId id) {
  std::uint32_t at = 0;
  for (const char byte : token) {
    auto& next = branches_[at].next;
    const auto place =
        std::ranges::lower_bound(next, byte, {}, &std::pair<char, std::uint32_t>::first);
    if (place != next.end() && place->first == byte) {
      at = place->second;
      continue;
    }
    const auto made = static_cast<std::uint32_t>(branches_.size());
    next.insert(place, {byte, made});
    branches_.emplace_back();
    at = made;
  }
  branches_[at].token = id;
}

const Unigram::Branch* Unigram::child(const Branch& branch, char byte) const {
  const auto place =
      std::ranges::lower_bound(branch.next, byte, {}, &std::pair<char, std::uint32_t>::first);
  if (place == branch.next.end() || place->first != byte) return nullptr;
  return &branches_[place->second];
}

const TokenId* Unigram::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? nullptr : &found->second;
}

// By the place where each ends.
Result<std::vector<Unigram::Node>> Unigram::best_ways(std::string_view word) const {
  std::vector<Node> nodes(word.size() + 1);
  const auto offer = [&](std::size_t begin, std::size_t end, double score, TokenId token) {
    const double sum = score + nodes[begin].score;
    Node& node = nodes[end];
    if (!node.reached || sum > node.score) node = {sum, begin, token, true};
  };
  for (std::size_t begin = 0; begin < word.size();) {
    const std::size_t size = first_code_point(word.substr(begin)).size;
    bool is_token = false;
    const Branch* branch = branches_.data();
    for (std::size_t end = begin; end < word.size();) {
      branch = child(*branch, word[end++]);
      if (branch == nullptr) break;
      if (!branch->token) continue;
      offer(begin, end, file_.vocab[*branch->token].second, *branch->token);
      is_token |= end - begin == size;
    }
    if (!is_token) {
      if (!file_.unknown) return corrupt("a character that no token has, and no unk_id");
      offer(begin, begin + size, unknown_score_, *file_.unknown);
    }
    begin += size;
  }
  return nodes;
}

Result<void> Unigram::add(std::string_view text, std::vector<TokenId>& out) const {
  if (const TokenId* id = find(text)) {
    out.push_back(*id);
    return {};
  }
  if (file_.byte_fallback) {
    std::vector<TokenId> bytes;
    for (const char c : text) {
      const TokenId* id = find(fmt::format("<0x{:02X}>", static_cast<unsigned char>(c)));
      if (id == nullptr) break;
      bytes.push_back(*id);
    }
    if (bytes.size() == text.size()) {
      out.insert(out.end(), bytes.begin(), bytes.end());
      return {};
    }
  }
  out.push_back(*file_.unknown);
  return {};
}

Result<void> Unigram::encode(std::string_view word, std::vector<TokenId>& out) const {
  constexpr std::size_t kLongest = std::size_t{1} << 24;
  if (word.size() > kLongest) return refused("a word of over 16 MiB");
  RQ_TRY(const std::vector<Node> nodes, best_ways(word));
  std::vector<std::pair<std::size_t, std::size_t>> cuts;  // begin and end, the last first
  bool was_unknown = false;
  for (std::size_t end = word.size(); end > 0;) {
    const Node& node = nodes[end];
    const bool unknown = file_.unknown && node.token == *file_.unknown;
    if (unknown && was_unknown) {
      cuts.back().first = node.begin;  // unknown ones in a row are one
    } else {
      cuts.emplace_back(node.begin, end);
    }
    was_unknown = unknown;
    end = node.begin;
  }
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
    const std::string_view text = word.substr(cut->first, cut->second - cut->first);
    RQ_CHECK(add(text, out));
  }
  return {};
}

}  // namespace requant
