#include "text/tokenizer_file.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <vector>

#include "base/text.h"
#include "text/json_value.h"

namespace requant {
namespace {

constexpr std::uint64_t kFileLimit = std::uint64_t{64} << 20;
constexpr std::size_t kEntries = std::size_t{1} << 20;  // tokens, and merges
constexpr std::size_t kValues = std::size_t{1} << 19;   // of the rest

// Takes "vocab" and "merges" of "model" as they come and builds a tree of everything else.
class Reader : public JsonEvents {
 public:
  bool null() override { return value(Json()); }
  bool boolean(bool flag) override { return value(Json(flag)); }

  bool number(std::string_view text) override {
    if (part_ == Part::kVocab && depth_ == part_depth_) return token(text);
    if (part_ == Part::kPieces && depth_ > part_depth_) return score(text);
    return value(Json::number(std::string(text)));
  }

  bool string(std::string_view text) override {
    if (part_ == Part::kMerges) return merge_text(text);
    if (part_ == Part::kPieces && depth_ > part_depth_) {
      pair_.emplace_back(text);
      return true;
    }
    return value(Json(text));
  }

  bool key(std::string_view text) override {
    key_ = text;
    return true;
  }

  bool begin_object() override { return begin(Json::object(), Part::kVocab, "vocab"); }
  bool begin_array() override {
    if (part_ == Part::kNone && in_model() && key_ == "vocab") {
      return begin(Json::array(), Part::kPieces, "vocab");
    }
    return begin(Json::array(), Part::kMerges, "merges");
  }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  std::string reason() const override { return reason_; }

  TokenizerFile finish() && {
    file_.rest = std::move(root_);
    if (!pieces_.empty()) file_.unigram = UnigramFile{.vocab = std::move(pieces_), .unknown = {}};
    return std::move(file_);
  }

 private:
  enum class Part { kNone, kVocab, kPieces, kMerges };

  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }

  bool value(Json json) {
    if (part_ != Part::kNone) return refuse("vocab or merges hold what they should not");
    if (++values_ > kValues) return refuse("too many values");
    if (open_.empty()) {
      root_ = std::move(json);
    } else if (open_.back().second.is_array()) {
      open_.back().second.append(std::move(json));
    } else {
      open_.back().second.members().emplace_back(std::string(key_), std::move(json));
    }
    return true;
  }

  // "model" of the root is open, and nothing in it.
  bool in_model() const { return depth_ == 2 && open_.back().first == "model"; }

  bool begin(Json json, Part part, std::string_view name) {
    const bool lists = part_ == Part::kMerges || part_ == Part::kPieces;
    if (lists && part == Part::kMerges && depth_ == part_depth_) {
      pair_.clear();
      scored_ = false;
    } else if (part_ != Part::kNone) {
      return refuse("vocab or merges hold what they should not");
    } else if (in_model() && key_ == name) {
      part_ = part;
      part_depth_ = depth_ + 1;
    } else {
      open_.emplace_back(key_, std::move(json));
    }
    ++depth_;
    return true;
  }

  bool end() {
    --depth_;
    if (part_ == Part::kMerges && depth_ == part_depth_) return merge_pair();
    if (part_ == Part::kPieces && depth_ == part_depth_) return piece();
    if (part_ != Part::kNone && depth_ < part_depth_) {
      part_ = Part::kNone;
      return true;
    }
    auto [name, json] = std::move(open_.back());
    open_.pop_back();
    key_ = std::move(name);
    return value(std::move(json));
  }

  bool token(std::string_view number) {
    TokenId id = 0;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), id);
    if (read.ec != std::errc() || read.ptr != number.data() + number.size() || id > kLargestId) {
      return refuse("a token has no id that can be");
    }
    if (file_.bpe.vocab.size() == kEntries) return refuse("over a million tokens");
    file_.bpe.vocab.emplace_back(key_, id);
    return true;
  }

  bool score(std::string_view number) {
    const auto read = std::from_chars(number.data(), number.data() + number.size(), score_);
    if (scored_ || pair_.size() != 1 || read.ec != std::errc())
      return refuse("a piece without a score that can be");
    scored_ = true;
    return true;
  }

  bool piece() {
    if (pair_.size() != 1 || !scored_) return refuse("a piece is a text and its score");
    if (pieces_.size() == kEntries) return refuse("over a million tokens");
    pieces_.emplace_back(std::move(pair_[0]), score_);
    pair_.clear();
    return true;
  }

  bool merge_text(std::string_view text) {
    if (depth_ > part_depth_) {
      pair_.emplace_back(text);
      return true;
    }
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return refuse("a merge without a space");
    pair_ = {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
    return merge_pair();
  }

  bool merge_pair() {
    if (pair_.size() != 2) return refuse("a merge is of two tokens");
    if (file_.bpe.merges.size() == kEntries) return refuse("over a million merges");
    file_.bpe.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
    pair_.clear();
    return true;
  }

  TokenizerFile file_;
  Json root_;
  std::vector<std::pair<std::string, Json>> open_;  // with the key that each has
  std::string key_;
  std::vector<std::string> pair_;
  std::vector<std::pair<std::string, double>> pieces_;
  double score_ = 0;
  bool scored_ = false;
  std::string reason_ = "refused";
  std::size_t values_ = 0;
  int depth_ = 0;
  int part_depth_ = 0;  // inside the list of the part
  Part part_ = Part::kNone;
};

Result<TokenizerFile> with_unigram(TokenizerFile file) {
  const Json& model = *file.rest.find("model");
  if (!file.unigram) return corrupt("'model' without a 'vocab' of pieces and scores");
  const Json* unknown = model.find("unk_id");
  if (unknown != nullptr && !unknown->is_null()) {
    const auto id = unknown->as_uint();
    if (!id || *id > kLargestId) return corrupt("unk_id is no id that can be");
    file.unigram->unknown = static_cast<TokenId>(*id);
  }
  file.unigram->byte_fallback = flag_at(model, "byte_fallback", false);
  return file;
}

}  // namespace

Result<TokenizerFile> parse_tokenizer_file(std::string_view text) {
  Reader reader;
  RQ_CHECK(parse_json(text, reader, {.bytes = kFileLimit, .depth = 32}));
  TokenizerFile file = std::move(reader).finish();
  const Json* model = file.rest.find("model");
  if (model == nullptr || !model->is_object()) return corrupt("no 'model'");
  const std::string type = type_of(*model);
  if (type == "Unigram" || (type.empty() && file.unigram)) return with_unigram(std::move(file));
  if (!type.empty() && type != "BPE") {
    return refused("model " + in_quotes(type) + " is not supported: BPE and Unigram are");
  }
  if (file.bpe.vocab.empty()) return corrupt("'model' without a 'vocab'");
  const Json* dropout = model->find("dropout");
  if (dropout != nullptr && dropout->as_double().value_or(0) != 0) {
    return refused("a model with dropout encodes by chance");
  }
  file.bpe.unknown = text_at(*model, "unk_token");
  file.bpe.prefix = text_at(*model, "continuing_subword_prefix");
  file.bpe.suffix = text_at(*model, "end_of_word_suffix");
  file.bpe.fuse_unknown = flag_at(*model, "fuse_unk", false);
  file.bpe.byte_fallback = flag_at(*model, "byte_fallback", false);
  file.bpe.ignore_merges = flag_at(*model, "ignore_merges", false);
  return file;
}

}  // namespace requant
