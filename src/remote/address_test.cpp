#include "remote/address.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

Address parsed(std::string_view text, const Hub& hub = {}) {
  auto address = parse_address(text, hub);
  EXPECT_TRUE(address) << text << ": " << address.error().message();
  return address ? *std::move(address) : Address();
}

std::string refusal(std::string_view text, const Hub& hub = {}) {
  const auto address = parse_address(text, hub);
  return address ? "" : address.error().message();
}

TEST(Address, TellsFoldersFromFiles) {
  EXPECT_EQ(parsed("https://host/a/b").folder, "https://host/a/b/");
  EXPECT_EQ(parsed("https://host/a/b/").folder, "https://host/a/b/");
  EXPECT_EQ(parsed("https://host").folder, "https://host/");
  EXPECT_EQ(parsed("https://host/a/b").file, "");
  const Address file = parsed("https://host/a/model-00001-of-00002.safetensors");
  EXPECT_EQ(file.folder, "https://host/a/");
  EXPECT_EQ(file.file, "model-00001-of-00002.safetensors");
  EXPECT_EQ(parsed("https://host/a/x%20y.safetensors").file, "x y.safetensors");
}

TEST(Address, KeepsTheQueryForEachFileAndOutOfMessages) {
  const Address address = parsed("https://host/a/?sig=SECRET#part");
  EXPECT_EQ(address.url_of("x y.json"), "https://host/a/x%20y.json?sig=SECRET");
  EXPECT_EQ(address.label, "https://host/a/");
}

TEST(Address, PlacesHubFiles) {
  const Address main = parsed("hf://org/name");
  EXPECT_EQ(main.url_of("config.json"), "https://huggingface.co/org/name/resolve/main/config.json");
  EXPECT_EQ(main.listing, "https://huggingface.co/api/models/org/name/tree/main?recursive=1");
  const Hub mirror{.endpoint = "http://127.0.0.1:8000/", .token = {}};
  EXPECT_EQ(parsed("hf://org/name@v1.0/sub/x.safetensors", mirror).url_of("x.safetensors"),
            "http://127.0.0.1:8000/org/name/resolve/v1.0/sub/x.safetensors");
  EXPECT_EQ(parsed("hf://org/name@refs/pr/3/sub").folder,
            "https://huggingface.co/org/name/resolve/refs%2Fpr%2F3/sub/");
  EXPECT_EQ(parsed("hf://org/name@a%2Fb").folder, "https://huggingface.co/org/name/resolve/a%2Fb/");
}

TEST(Address, RefusesWhatIsNoHubName) {
  for (const char* text : {"hf://name", "hf:///name", "hf://org/", "hf://../name", "hf://o?g/name",
                           "hf://org/name@", "hf://org/..", "hf://org/n%61me"}) {
    EXPECT_NE(refusal(text).find("expected hf://ORG/NAME"), std::string::npos) << text;
  }
}

TEST(Address, RefusesSchemesThatAreNotReadOverTheWeb) {
  for (const char* text : {"file:///etc/passwd", "ftp://host/x", "s3://bucket/x", "gopher://h/"}) {
    const auto address = parse_address(text, {});
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::kRefused);
    EXPECT_NE(address.error().message().find("is not read"), std::string::npos);
  }
}

TEST(Address, ReadsPlainHttpFromThisMachineOnly) {
  for (const char* text : {"http://127.0.0.1:8000/x/", "http://localhost/", "http://[::1]:80/x"}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
  for (const char* text :
       {"http://host/x/", "http://127.0.0.1.evil.example/", "http://127.evil/"}) {
    EXPECT_NE(refusal(text).find("expected https://"), std::string::npos) << text;
  }
  EXPECT_EQ(refusal("http://mirror/x/", {.endpoint = "http://mirror", .token = {}}), "");
}

// What one reader of URLs takes for the host and another does not.
TEST(Address, RefusesAmbiguousHosts) {
  for (const char* text :
       {"https://user:password@host/", "https://a@b@c/", "https://host\\@evil/", "https://ho st/",
        "https://host:0/", "https://host:99999/", "https://host:80x/", "https:///x",
        "https://h\xC3\xB6st/", "https://[::1/", "https://host%00/"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
}

TEST(Address, ComparesOriginsWhateverTheirSpelling) {
  EXPECT_EQ(*origin_of("https://Host/x"), *origin_of("HTTPS://host:443"));
  EXPECT_FALSE(*origin_of("https://host/x") == *origin_of("https://host:444/x"));
  EXPECT_FALSE(*origin_of("https://host/x") == *origin_of("http://host:443/x"));
}

}  // namespace
}  // namespace requant
