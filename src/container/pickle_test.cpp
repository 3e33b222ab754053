#include "container/pickle.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

using Kind = PyValue::Kind;
using namespace std::string_literals;

Result<PyObjects> read(const std::string& pickle) {
  return read_pickle(*Bytes::copy_of(bytes_of(pickle)));
}

std::string message_of(const std::string& pickle) {
  const auto objects = read(pickle);
  return objects ? "accepted" : objects.error().message();
}

TEST(Pickle, BuildsADict) {
  const auto objects = read("\x80\x02}(X\1\0\0\0aK\5X\1\0\0\0bJ\xFF\xFF\xFF\xFFu."s);
  ASSERT_TRUE(objects) << objects.error().message();
  ASSERT_EQ(objects->root.kind, Kind::kDict);
  const auto& dict = objects->dicts.at(0);
  ASSERT_EQ(dict.size(), 2U);
  EXPECT_EQ(objects->texts.at(static_cast<std::size_t>(dict[0].first.number)), "a");
  EXPECT_EQ(dict[0].second.number, 5);
  EXPECT_EQ(dict[1].second.number, -1);
}

TEST(Pickle, ReadsLongsWithTheirSign) {
  EXPECT_EQ(read("\x80\x02\x8A\0."s)->root.number, 0);
  EXPECT_EQ(read("\x80\x02\x8A\1\xFF."s)->root.number, -1);
  EXPECT_EQ(read("\x80\x02\x8A\3\0\0\x80."s)->root.number, -8388608);
  EXPECT_EQ(read("\x80\x02\x8A\5\0\0\0\0\1."s)->root.number, std::int64_t{1} << 32);
}

TEST(Pickle, RefusesGlobalsByName) {
  EXPECT_EQ(message_of("\x80\x02"
                       "cos\nsystem\n."),
            "refuses pickle global 'os.system'");
  EXPECT_EQ(message_of("\x80\x04\x8C\x08"
                       "builtins\x8C\x04"
                       "eval\x93."),
            "refuses pickle global 'builtins.eval'");
  EXPECT_EQ(message_of("\x80\x02"
                       "ctorch\nload\n."),
            "refuses pickle global 'torch.load'");
}

TEST(Pickle, RefusesOperationsThatMakeInstances) {
  for (const char code : {'i', 'o', '\x81', '\x92', 'P', '\x82', 'V', 'I'}) {
    EXPECT_NE(message_of("\x80\x02}"s + code).find("refuses pickle operation"), std::string::npos);
  }
}

TEST(Pickle, RefusesMalformedPrograms) {
  for (const std::string& program : {"."s,
                                     "t."s,
                                     "u."s,
                                     "}u."s,
                                     "a."s,
                                     "]a."s,
                                     "(a."s,
                                     "h\0."s,
                                     "q\0."s,
                                     "NR."s,
                                     "))R."s,
                                     "Nb."s,
                                     "NQ."s,
                                     ")Q."s,
                                     ")Na."s,
                                     "}Ns."s,
                                     "NNNs."s,
                                     "(."s,
                                     "0"s,
                                     "1"s,
                                     "ccollections\nOrderedDict\nNR."s,
                                     "ctorch\nSize\n)R."s,
                                     "ctorch._utils\n_rebuild_tensor_v2\n)R."s,
                                     "X\xFF\xFF\xFF\x7F"s,
                                     "N"s,
                                     "c"s,
                                     ""s}) {
    EXPECT_FALSE(read("\x80\x02" + program)) << program;
  }
  EXPECT_FALSE(read("\x80\x01N."s));
}

TEST(Pickle, BoundsItsWork) {
  EXPECT_EQ(message_of("\x80\x02" + std::string((std::size_t{1} << 21) + 1, '(')),
            "pickle: too deep a stack");
  EXPECT_EQ(message_of("\x80\x02Nr\xFF\xFF\xFF\xFF."s), "pickle: memo numbers leap");
}

TEST(Pickle, HoldsAListThatHoldsItself) {
  const auto objects = read("\x80\x02]q\0h\0a."s);
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_EQ(objects->sequences.at(static_cast<std::size_t>(objects->root.number)).size(), 1U);
}

}  // namespace
}  // namespace requant
