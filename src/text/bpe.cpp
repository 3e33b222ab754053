#include "text/bpe.h"

#include <fmt/format.h>

#include <queue>

#include "base/text.h"
#include "text/unicode.h"

namespace requant {
namespace {

std::uint64_t key_of(TokenId left, TokenId right) {
  return (static_cast<std::uint64_t>(left) << 32) | right;
}

// A pair that may be joined; it is stale once its left symbol changed.
struct Candidate {
  std::uint32_t rank = 0;
  std::int32_t left = 0;
  TokenId joined = 0;

  friend bool operator<(const Candidate& a, const Candidate& b) {  // the best is the largest
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  }
};

std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

}  // namespace

Result<Bpe> Bpe::make(BpeFile file) {
  Bpe bpe;
  bpe.file_ = std::move(file);
  bpe.ids_.reserve(bpe.file_.vocab.size());
  for (const auto& [token, id] : bpe.file_.vocab) bpe.ids_.insert_or_assign(token, id);
  bpe.merges_.reserve(bpe.file_.merges.size());
  std::uint32_t rank = 0;
  for (const auto& [left, right] : bpe.file_.merges) {
    const std::string_view prefix = bpe.file_.prefix;
    const bool continues = !prefix.empty() && right.starts_with(prefix);
    const std::string joined = left + (continues ? right.substr(prefix.size()) : right);
    const TokenId* ids[] = {bpe.find(left), bpe.find(right), bpe.find(joined)};
    for (const TokenId* id : ids) {
      if (id != nullptr) continue;
      return corrupt(fmt::format("merge {} of {} and {}: not all of it is in the vocabulary", rank,
                                 in_quotes(left), in_quotes(right)));
    }
    bpe.merges_.insert_or_assign(key_of(*ids[0], *ids[1]), Merge{rank++, *ids[2]});
  }
  bpe.file_.merges = {};
  return bpe;
}

const TokenId* Bpe::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? nullptr : &found->second;
}

const Bpe::Merge* Bpe::merge_of(TokenId left, TokenId right) const {
  const auto found = merges_.find(key_of(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

bool Bpe::add_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
  std::vector<Symbol> bytes;
  for (const char c : character) {
    const TokenId* id = find(fmt::format("<0x{:02X}>", static_cast<unsigned char>(c)));
    if (id == nullptr) return false;
    bytes.push_back({.token = *id});
  }
  symbols.insert(symbols.end(), bytes.begin(), bytes.end());
  return true;
}

Result<std::vector<Bpe::Symbol>> Bpe::symbols_of(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  std::size_t unknown = 0;  // characters that no token was found for yet
  const auto add_unknown = [&]() -> Result<void> {
    if (unknown == 0) return {};
    const TokenId* id = find(file_.unknown);
    if (id == nullptr) {
      return corrupt("unk_token " + in_quotes(file_.unknown) + " is not in the vocabulary");
    }
    symbols.insert(symbols.end(), file_.fuse_unknown ? 1 : unknown, {.token = *id});
    unknown = 0;
    return {};
  };
  for (std::string_view rest = word; !rest.empty();) {
    std::string symbol(rest.substr(0, first_code_point(rest).size));
    const bool first = rest.size() == word.size();
    rest.remove_prefix(symbol.size());
    if (!first) symbol.insert(0, file_.prefix);
    if (rest.empty()) symbol += file_.suffix;
    if (const TokenId* id = find(symbol)) {
      RQ_CHECK(add_unknown());
      symbols.push_back({.token = *id});
    } else if (!(file_.byte_fallback && add_bytes(symbol, symbols)) && !file_.unknown.empty()) {
      ++unknown;
    }
  }
  RQ_CHECK(add_unknown());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].before = static_cast<std::int32_t>(i) - 1;
    symbols[i].after = i + 1 < symbols.size() ? static_cast<std::int32_t>(i) + 1 : -1;
  }
  return symbols;
}

void Bpe::merge_all(std::vector<Symbol>& symbols) const {
  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::int32_t left) {
    if (left < 0 || symbols[at(left)].after < 0) return;
    const Merge* merge =
        merge_of(symbols[at(left)].token, symbols[at(symbols[at(left)].after)].token);
    if (merge != nullptr) queue.push({merge->rank, left, merge->joined});
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) consider(static_cast<std::int32_t>(i));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[at(best.left)];
    if (left.gone || left.after < 0) continue;
    Symbol& right = symbols[at(left.after)];
    const Merge* merge = merge_of(left.token, right.token);
    if (merge == nullptr || merge->joined != best.joined) continue;
    left.token = best.joined;
    left.after = right.after;
    right.gone = true;
    if (left.after >= 0) symbols[at(left.after)].before = best.left;
    consider(left.before);
    consider(best.left);
  }
}

Result<void> Bpe::encode(std::string_view word, std::vector<TokenId>& out) const {
  constexpr std::size_t kLongest = std::size_t{1} << 30;
  if (word.size() > kLongest) return refused("a word of over a GiB");
  if (file_.ignore_merges) {
    if (const TokenId* id = find(word)) {
      out.push_back(*id);
      return {};
    }
  }
  RQ_TRY(std::vector<Symbol> symbols, symbols_of(word));
  merge_all(symbols);
  for (const Symbol& symbol : symbols) {
    if (!symbol.gone) out.push_back(symbol.token);
  }
  return {};
}

}  // namespace requant
