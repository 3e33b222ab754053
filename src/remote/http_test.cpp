#include "remote/http.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(Http, ReadsContentRange) {
  const auto range = parse_content_range("bytes 100-199/1000");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->begin, 100u);
  EXPECT_EQ(range->end, 200u);
  EXPECT_EQ(range->total, 1000u);
  EXPECT_EQ(parse_content_range("bytes 0-0/*")->total, std::nullopt);
}

TEST(Http, RefusesAContentRangeThatCannotBe) {
  for (const char* text :
       {"", "bytes", "bytes */1000", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "items 0-9/10",
        "bytes -5-9/10", "bytes 0-9/x", "bytes 0-18446744073709551615/*", "bytes 0 - 9/10",
        "bytes 0-99999999999999999999/*"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

TEST(Http, FindsTheNextPage) {
  EXPECT_EQ(next_of_link("<https://host/api?cursor=a%3D>; rel=\"next\""),
            "https://host/api?cursor=a%3D");
  EXPECT_EQ(next_of_link("<https://h/1>; rel=\"first\", <https://h/3>; rel=\"next\""),
            "https://h/3");
  EXPECT_EQ(next_of_link("<https://h/1>; rel=\"first\""), "");
  EXPECT_EQ(next_of_link("<https://h/1; rel=\"next\""), "");
  EXPECT_EQ(next_of_link(""), "");
}

}  // namespace
}  // namespace requant
