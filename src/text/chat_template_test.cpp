#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "support/support.h"

namespace requant {
namespace {

class ChatTemplateTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    testing_support::write_file(dir_.path() / name, text);
  }
  Result<std::string> rendered(bool with_tools = false) const {
    const auto folder = Folder::on_disk(dir_.path());
    RQ_TRY(ChatTemplate found, ChatTemplate::open(*folder, with_tools));
    RQ_CHECK(found.read_special_tokens(*folder));
    return found.render({.tools = {}, .more = {{"x", Json("more")}}}, std::tm{});
  }
  std::string error() const { return rendered().error().message(); }

  testing_support::TemporaryFolder dir_;
};

TEST_F(ChatTemplateTest, ItsOwnFileGoesBeforeTheConfig) {
  write("tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(*rendered(), "config");
  write("chat_template.jinja", "file");
  EXPECT_EQ(*rendered(), "file");
}

TEST_F(ChatTemplateTest, TheOldFileIsReadLast) {
  write("chat_template.json", R"({"chat_template": "old"})");
  EXPECT_EQ(*rendered(), "old");
  write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(*rendered(), "old");
}

TEST_F(ChatTemplateTest, ChoosesAmongNamedTemplates) {
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "plain"},
                                     {"name": "tool_use", "template": "tools"}]})");
  EXPECT_EQ(*rendered(), "plain");
  EXPECT_EQ(*rendered(true), "tools");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_EQ(error(),
            "tokenizer_config.json: chat_template: no template is named 'default', only 'rag'");
}

TEST_F(ChatTemplateTest, TellsTheSpecialTokens) {
  write("tokenizer_config.json",
        R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null})");
  write("special_tokens_map.json",
        R"({"bos_token": "other", "pad_token": "<p>", "additional_special_tokens": ["a", "b"]})");
  write("chat_template.jinja",
        "{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ additional_special_tokens }}"
        "{{ unk_token is defined }}{{ tools is none }}{{ messages }}{{ x }}");
  EXPECT_EQ(*rendered(), "<s></s><p>['a', 'b']FalseTrue[]more");
}

TEST_F(ChatTemplateTest, NamesFileAndLine) {
  EXPECT_NE(error().find("has no chat template"), std::string::npos);
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(error(),
            "tokenizer_config.json: chat_template: neither a text nor a list of templates with "
            "names");
  write("tokenizer_config.json", R"({"chat_template": "a\n{{ b.c }}"})");
  EXPECT_EQ(error(), "tokenizer_config.json: chat_template: line 2: 'b' is undefined");
  write("chat_template.jinja", "{% if");
  EXPECT_EQ(error(), "chat_template.jinja: line 1: the template ends inside of a tag");
}

}  // namespace
}  // namespace requant
