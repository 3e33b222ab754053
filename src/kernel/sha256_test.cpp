#include "kernel/sha256.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/hash.h"

namespace requant::kernel {
namespace {

using Message = std::vector<std::byte>;

Message random_message(std::size_t size, std::mt19937& random) {
  Message message(size);
  for (auto& byte : message) byte = static_cast<std::byte>(random());
  return message;
}

std::string digest_of(const Sha256Kernel& kernel, const Message& first, const Message& second,
                      int which) {
  std::uint8_t digests[2][32] = {};
  const auto* a = reinterpret_cast<const std::uint8_t*>(first.data());
  const auto* b = reinterpret_cast<const std::uint8_t*>(second.data());
  kernel.run({{a, b}, {first.size(), second.size()}, digests});
  return hex_of(std::as_bytes(std::span(digests[which])));
}

class Sha256Test : public testing::TestWithParam<const Sha256Kernel*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  }
};

// FIPS 180-4's examples of one block and of two.
TEST_P(Sha256Test, HashesThePublishedMessages) {
  const auto message = [](std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return Message(bytes.begin(), bytes.end());
  };
  const Message one = message("abc");
  const Message two = message("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
  EXPECT_EQ(digest_of(*GetParam(), one, two, 0),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of(*GetParam(), one, two, 1),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_P(Sha256Test, HashesEveryLengthBesideEveryOther) {
  std::mt19937 random(1);
  for (const std::size_t first : {0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 4096}) {
    for (const std::size_t second : {0, 54, 57, 64, 127, 640, 100000}) {
      const Message a = random_message(first, random);
      const Message b = random_message(second, random);
      EXPECT_EQ(digest_of(*GetParam(), a, b, 0), sha256_hex(a)) << first << ", " << second;
      EXPECT_EQ(digest_of(*GetParam(), a, b, 1), sha256_hex(b)) << first << ", " << second;
    }
  }
}

TEST(Sha256Of, KeepsTheOrderOfTheMessages) {
  std::mt19937 random(2);
  for (const std::size_t count : {0, 1, 2, 5}) {
    std::vector<Message> messages;
    std::vector<std::span<const std::byte>> views;
    for (std::size_t i = 0; i < count; ++i) {
      messages.push_back(random_message(random() % 1000, random));
    }
    for (const Message& message : messages) views.emplace_back(message);
    const auto hashes = sha256_hex_of(views);
    ASSERT_EQ(hashes.size(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(hashes[i], sha256_hex(messages[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Sha256Test,
                         testing::ValuesIn(sha256_kernels().begin(), sha256_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
