#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/text.h"
#include "support/support.h"

namespace requant {
namespace {

std::filesystem::path text_dir() { return testing_support::data_dir() / "text"; }

std::vector<TokenId> ids_of(const Json& list) {
  std::vector<TokenId> ids;
  for (const Json& id : list.items()) ids.push_back(static_cast<TokenId>(*id.as_uint()));
  return ids;
}

const Json& cases() {
  static const Json kCases = *parse_json(testing_support::read_file(text_dir() / "cases.json"));
  return kCases;
}

class TokenizerTest : public testing::TestWithParam<std::string> {};

// tests/data/text/make.py asked the package `tokenizers`.
TEST_P(TokenizerTest, DoesAsThePackageTokenizers) {
  const auto tokenizer =
      Tokenizer::parse(testing_support::read_file(text_dir() / (GetParam() + ".json")));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  const auto& texts = cases().find("texts")->items();
  const auto& rows = cases().at({"tokenizers", GetParam()})->items();
  ASSERT_EQ(texts.size(), rows.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string_view text = *texts[i].as_string();
    SCOPED_TRACE(in_quotes(text));
    const auto ids = ids_of(*rows[i].find("ids"));
    const Json& listed = *rows[i].find("around");
    const auto around = listed.is_null() ? ids : ids_of(listed);
    EXPECT_EQ(*tokenizer->encode(text, SpecialTokens::kLeave), ids);
    EXPECT_EQ(*tokenizer->encode(text, SpecialTokens::kAdd), around);
    EXPECT_EQ(*tokenizer->decode(around, SpecialTokens::kAdd), *rows[i].find("text")->as_string());
    EXPECT_EQ(*tokenizer->decode(around, SpecialTokens::kLeave),
              *rows[i].find("plain")->as_string());
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TokenizerTest,
                         testing::Values("gpt2", "llama3", "qwen2", "deepseek", "digits", "llama2",
                                         "mistral", "unknown", "unigram", "unigram_bytes"),
                         [](const auto& test) { return test.param; });

std::string error_of(std::string_view json) {
  const auto tokenizer = Tokenizer::parse(json);
  return tokenizer ? "none" : tokenizer.error().message();
}

TEST(Tokenizer, RefusesAUnigramThatCannotBe) {
  const auto with = [](std::string_view model) {
    return error_of(R"({"model":{"type":"Unigram",)" + std::string(model) + "}}");
  };
  EXPECT_EQ(with(R"("vocab":[["a",0.5],["b",-1]],"unk_id":2)"), "unk_id 2 of a vocabulary of 2");
  EXPECT_EQ(with(R"("vocab":{"a":0})"), "'model' without a 'vocab' of pieces and scores");
  EXPECT_NE(with(R"("vocab":[["a","NaN"]])"), "none");
  EXPECT_NE(with(R"("vocab":[["a",null]])"), "none");
  EXPECT_NE(with(R"("vocab":[["a",1,2]])"), "none");
  EXPECT_NE(with(R"("vocab":[[1,"a"]])"), "none");
  EXPECT_NE(with(R"("vocab":["a"])"), "none");
}

TEST(Tokenizer, RefusesAMapOfCharactersThatCannotBe) {
  const auto with = [](std::string_view base64) {
    return error_of(R"({"model":{"vocab":{"a":0}},"normalizer":{"type":"Precompiled",)"
                    R"("precompiled_charsmap":")" +
                    std::string(base64) + R"("}})");
  };
  EXPECT_EQ(with("!"), "precompiled_charsmap is no Base64");
  EXPECT_EQ(with("AAA="), "precompiled_charsmap of less than 4 bytes");
  EXPECT_EQ(with("/P///wAAAAA="), "precompiled_charsmap is smaller than its trie");
}

TEST(Tokenizer, RefusesTwoTokensWithOneId) {
  EXPECT_EQ(error_of(R"({"model":{"vocab":{"a":0,"b":0}}})"), "'a' and 'b' have the same id, 0");
}

TEST(Tokenizer, RefusesANormalizerThatGrowsBeyondMeasure) {
  std::string steps;
  for (int i = 0; i < 40; ++i) {
    steps += R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"},)";
  }
  steps.pop_back();
  const auto tokenizer = Tokenizer::parse(
      R"({"model":{"vocab":{"a":0}},"normalizer":{"type":"Sequence","normalizers":[)" + steps +
      "]}}");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  const auto ids = tokenizer->encode("aaaa", SpecialTokens::kLeave);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code(), ErrorCode::kRefused);
}

TEST(Tokenizer, SaysWhatIsNotSupported) {
  EXPECT_EQ(error_of(R"({"model":{"type":"WordPiece","vocab":{"a":0}}})"),
            "model 'WordPiece' is not supported: BPE and Unigram are");
  EXPECT_EQ(error_of(R"({"model":{"vocab":{"a":0}},"normalizer":{"type":"Nmt"}})"),
            "normalizer 'Nmt' is not supported");
  EXPECT_EQ(error_of(R"({"model":{"vocab":{"a":0}},"pre_tokenizer":{"type":"Odd"}})"),
            "pre_tokenizer 'Odd' is not supported");
  EXPECT_EQ(error_of(R"({"model":{"vocab":{"a":0}},"decoder":{"type":"CTC"}})"),
            "decoder 'CTC' is not supported");
}

TEST(Tokenizer, RefusesDamagedFiles) {
  EXPECT_EQ(error_of("{}"), "no 'model'");
  EXPECT_EQ(error_of(R"({"model":{"vocab":{}}})"), "'model' without a 'vocab'");
  EXPECT_NE(error_of(R"({"model":{"vocab":{"a":4294967296}}})").find("no id that can be"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"model":{"vocab":{"a":[1]}}})").find("what they should not"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"model":{"merges":[["a"]]}})").find("of two tokens"), std::string::npos);
  EXPECT_NE(error_of(R"({"model":{"merges":["ab"]}})").find("without a space"), std::string::npos);
  EXPECT_NE(error_of(R"({"model":{"vocab":{"a":0},"merges":["a b"]}})").find("not all of it"),
            std::string::npos);
}

TEST(Tokenizer, RefusesIdsBeyondItsTables) {
  EXPECT_EQ(error_of(R"({"model":{"vocab":{"a":4194303}}})"), "none");
  EXPECT_NE(error_of(R"({"model":{"vocab":{"a":4194304}}})").find("no id that can be"),
            std::string::npos);
  EXPECT_EQ(error_of(R"({"model":{"vocab":{"a":0}},"added_tokens":[{"id":4194304}]})"),
            "an added token has no id that can be");
}

TEST(Tokenizer, EveryPrefixOfAFileIsRefused) {
  const std::string whole = testing_support::read_file(text_dir() / "mistral.json");
  ASSERT_EQ(error_of(whole), "none");
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    EXPECT_NE(error_of(std::string_view(whole).substr(0, size)), "none") << size;
  }
}

TEST(Tokenizer, RefusesTextThatIsNoUtf8) {
  const auto tokenizer = Tokenizer::parse(R"({"model":{"vocab":{"a":0}}})");
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("\xFF", SpecialTokens::kLeave).error().message(),
            "the text is no UTF-8");
}

TEST(Tokenizer, IdsThatNoTokenHasAreLeftOut) {
  const auto tokenizer =
      Tokenizer::parse(R"({"model":{"vocab":{"a":0,"b":5}},"decoder":{"type":"Fuse"}})");
  ASSERT_TRUE(tokenizer);
  const TokenId ids[] = {0, 3, 77, 5};
  EXPECT_EQ(*tokenizer->decode(ids, SpecialTokens::kAdd), "ab");
  EXPECT_EQ(tokenizer->size(), 6U);
  EXPECT_EQ(tokenizer->find("b"), 5U);
  EXPECT_EQ(tokenizer->find("c"), std::nullopt);
}

}  // namespace
}  // namespace requant
