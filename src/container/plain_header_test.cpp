#include "container/plain_header.h"

#include <gtest/gtest.h>

#include "container/plain_index.h"

namespace requant {
namespace {

TEST(PlainHeader, ReadsTheThreeFieldsInAnyOrder) {
  const auto header = read_plain_header(R"({"__metadata__":{"format":"pt"},
    "b":{"data_offsets":[6,8],"shape":[],"dtype":"I16"},
    "a":{"dtype":"BF16","shape":[3,1],"data_offsets":[0,6]}}   )");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->metadata.at("format"), "pt");
  ASSERT_EQ(header->tensors.size(), 2U);
  EXPECT_EQ(header->tensors[0].name, "b");
  EXPECT_EQ(header->tensors[0].dtype, DType::kI16);
  EXPECT_EQ(header->tensors[0].shape, Shape{});
  EXPECT_EQ(header->tensors[1].shape, (Shape{3, 1}));
  EXPECT_EQ(header->tensors[0].offset, 6U);
  EXPECT_EQ(header->tensors[0].bytes, 2U);
}

TEST(PlainHeader, LeavesTheRestToTheWholeGrammar) {
  for (const std::string_view json :
       {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}})",
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})",
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})",
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})",
        R"({"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})",
        R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1}})",
        R"({"a":{"dtype":"U8","shape":[1]}})", R"({"a":{"shape":[1],"data_offsets":[0,1]}})",
        R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})",
        R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
        R"({"__metadata__":{},"__metadata__":{}})", R"({"__metadata__":{"a":"b","a":"c"}})",
        R"({"__metadata__":null})", R"({"a":[]})", R"([])", R"({)", R"({}x)", ""}) {
    EXPECT_FALSE(read_plain_header(json)) << json;
  }
}

TEST(PlainIndex, ReadsNamesAndShards) {
  const auto index = read_plain_index(R"({"metadata": {"total_size": 007}, "weight_map": {}})");
  EXPECT_FALSE(index);
  const auto good = read_plain_index(R"({
    "metadata": {"total_size": 70}, "weight_map": {"x": "2", "y": "1", "z": "2"}})");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->total_size, "70");
  EXPECT_EQ(good->shards, (std::vector<std::string>{"2", "1"}));
  ASSERT_EQ(good->entries.size(), 3U);
  EXPECT_EQ(good->tensor(good->entries[2]), "z");
  EXPECT_EQ(good->entries[2].shard, 0U);
}

TEST(PlainIndex, LeavesTheRestToTheWholeGrammar) {
  for (const std::string_view json :
       {R"({"weight_map":{}})", R"({"weight_map":{"a":1}})", R"({"metadata":{}})",
        R"({"metadata":{"total_size":"7"},"weight_map":{"a":"b"}})",
        R"({"metadata":{"total_size":7.5},"weight_map":{"a":"b"}})",
        R"({"metadata":{"total_size":7,"total_size":7},"weight_map":{"a":"b"}})",
        R"({"weight_map":{"a":"b"},"weight_map":{"a":"b"}})",
        R"({"more":{},"weight_map":{"a":"b"}})", R"({"weight_map":{"a":"b"}} x)"}) {
    EXPECT_FALSE(read_plain_index(json)) << json;
  }
}

}  // namespace
}  // namespace requant
