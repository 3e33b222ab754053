#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/checked.h"
#include "base/hash.h"

namespace requant {
namespace {

TEST(Bytes, SlicesShareMemory) {
  const auto bytes = Bytes::copy_of(bytes_of("hello"));
  ASSERT_TRUE(bytes);
  const Bytes part = bytes->slice(1, 3);
  EXPECT_EQ(part.text(), "ell");
  EXPECT_EQ(part.data(), bytes->data() + 1);
  EXPECT_TRUE(part.same_memory(bytes->slice(1, 3)));
  EXPECT_FALSE(part.same_memory(bytes->slice(1, 2)));
}

TEST(Bytes, AllocationFailureIsAValue) {
  const auto buffer = Buffer::allocate(std::size_t{1} << 62);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code(), ErrorCode::kResource);
}

TEST(ByteReader, StopsAtTheEnd) {
  const std::string_view text("\x01\x02\x03\x04\x05", 5);
  ByteReader reader(bytes_of(text));
  EXPECT_EQ(reader.u32(), 0x04030201u);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.u16(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0u);
}

TEST(Checked, RemembersOverflow) {
  const Checked big(std::uint64_t{1} << 63);
  EXPECT_EQ((Checked(3) * 4 + 5).value(), 17u);
  EXPECT_EQ((big * 2).value(), std::nullopt);
  EXPECT_EQ((big * 2 * 0).value(), std::nullopt);
  EXPECT_EQ((big + big).value(), std::nullopt);
  EXPECT_EQ(Checked::from_signed(-1).value(), std::nullopt);
}

TEST(Sha256, AgreesWithTheStandard) {
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(sha256_hex(bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace requant
