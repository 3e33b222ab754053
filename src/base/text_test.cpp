#include "base/text.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(Text, PrintableEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(printable("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(printable("模型 é"), "模型 é");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

TEST(Text, HumanBytes) {
  EXPECT_EQ(human_bytes(17), "17 B");
  EXPECT_EQ(human_bytes(1536), "1.54 KB");
  EXPECT_EQ(human_bytes(5'370'000'000), "5.37 GB");
  EXPECT_EQ(human_bytes(200'400'000), "200 MB");
  EXPECT_EQ(human_bytes(999'600), "1.00 MB");
}

TEST(Text, Grouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(123), "123");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

TEST(Text, NaturalOrder) {
  EXPECT_TRUE(natural_less("layers.2.a", "layers.10.a"));
  EXPECT_FALSE(natural_less("layers.10.a", "layers.2.a"));
  EXPECT_TRUE(natural_less("a", "b"));
  EXPECT_TRUE(natural_less("a", "a1"));
  EXPECT_FALSE(natural_less("a1", "a1"));
}

TEST(Text, Utf8) {
  EXPECT_TRUE(valid_utf8("模型"));
  EXPECT_FALSE(valid_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(valid_utf8("\xe6\xa8"));
}

}  // namespace
}  // namespace requant
