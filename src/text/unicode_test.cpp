#include "text/unicode.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(Unicode, ReplacesEachBrokenSequenceByOneMark) {
  // As Python decodes with errors="replace".
  EXPECT_EQ(replace_invalid("a\xFF"
                            "b"),
            "a\uFFFDb");
  EXPECT_EQ(replace_invalid("\xE6\x9D"), "\uFFFD");
  EXPECT_EQ(replace_invalid("\xE6\x9D\xE6\x9D\xB1"), "\uFFFD\u6771");
  EXPECT_EQ(replace_invalid("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(replace_invalid("\xC0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Unicode, NormalFormsAreThoseOfTheStandard) {
  EXPECT_EQ(normalized("e\u0301", NormalForm::kC), "\u00E9");
  EXPECT_EQ(normalized("\u00E9", NormalForm::kD), "e\u0301");
  EXPECT_EQ(normalized("\uFB01", NormalForm::kKc), "fi");
  EXPECT_EQ(normalized("\uFB01", NormalForm::kC), "\uFB01");
}

TEST(Unicode, TheSpaceOfMongolianIsNone) {
  EXPECT_TRUE(is_white_space(0x3000));
  EXPECT_TRUE(is_white_space(0x85));
  EXPECT_FALSE(is_white_space(0x180E));
  EXPECT_FALSE(is_white_space(0x200B));
}

}  // namespace
}  // namespace requant
