#include <gtest/gtest.h>

#include <set>

#include "base/json.h"
#include "container/container.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::data_dir;
using testing_support::from_hex;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

const TemporaryFolder& folder() {
  static const TemporaryFolder kFolder;
  return kFolder;
}

Result<Source> open_bytes(std::string_view bytes) {
  write_file(folder() / "case.safetensors", bytes);
  return open_source(folder() / "case.safetensors");
}

std::string with_header(std::string_view json, std::size_t data_bytes) {
  std::string file;
  for (int shift = 0; shift < 64; shift += 8) {
    file.push_back(static_cast<char>(std::uint64_t{json.size()} >> shift & 0xFF));
  }
  file += json;
  return file.append(data_bytes, '\1');
}

std::string message_of(std::string_view json, std::size_t data_bytes) {
  const auto source = open_bytes(with_header(json, data_bytes));
  return source ? "accepted" : source.error().message();
}

Json vectors() {
  return *parse_json(read_file(data_dir() / "containers" / "safetensors_vectors.json"));
}

std::string text_of(const Json& value, std::string_view key) {
  return std::string(*value.find(key)->as_string());
}

TEST(Safetensors, ReadsWhatTheReferenceWrote) {
  const Json vector = vectors();
  const auto source = open_bytes(from_hex(text_of(vector, "file_hex")));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->container(), "safetensors");
  EXPECT_EQ(source->metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(source->tensors().size(), 8U);
  for (const auto& [name, expected] : vector.find("tensors")->members()) {
    const TensorInfo* info = source->find(name);
    ASSERT_NE(info, nullptr) << name;
    const auto tensor = source->read(*info);
    ASSERT_TRUE(tensor) << tensor.error().message();
    EXPECT_EQ(name_of(tensor->dtype), text_of(expected, "dtype"));
    EXPECT_EQ(tensor->bytes.text(), from_hex(text_of(expected, "hex_le")));
  }
  EXPECT_EQ(source->find("e.empty")->shape, (Shape{0, 4}));
  EXPECT_EQ(source->find("s.scalar")->shape, Shape{});
  EXPECT_EQ(source->find("nothing"), nullptr);
}

// Where we differ from what the vectors recorded: stricter by policy, or the recorded refusal came
// from PyTorch, which does not know the dtype.
TEST(Safetensors, DecidesAsTheReferenceDoes) {
  const std::set<std::string> stricter = {"duplicate key", "leading space in header"};
  const std::set<std::string> known_dtypes = {"F4 dtype two elements one byte", "F8_E8M0",
                                              "F6_E2M3 4 elements 3 bytes"};
  const Json all = vectors();
  for (const Json& one : all.find("reader_cases")->items()) {
    const std::string name = text_of(one, "case");
    const auto source = open_bytes(from_hex(text_of(one, "hex")));
    const bool accepted = text_of(one, "result") == "accepted";
    const bool expected = known_dtypes.contains(name) || (accepted && !stricter.contains(name));
    EXPECT_EQ(static_cast<bool>(source), expected)
        << name << ": " << (source ? "accepted" : source.error().message());
    if (!source) {
      EXPECT_EQ(source.error().code(), ErrorCode::kCorrupt) << name;
      EXPECT_TRUE(source.error().message().starts_with("case.safetensors: ")) << name;
    }
  }
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole = from_hex(text_of(vectors(), "file_hex"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto source = open_bytes(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(source) << size;
    ASSERT_EQ(source.error().code(), ErrorCode::kCorrupt) << size;
  }
}

TEST(Safetensors, SurvivesEveryFlippedByte) {
  const std::string whole = from_hex(text_of(vectors(), "file_hex"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x15);
    const auto source = open_bytes(bytes);
    for (const TensorInfo& info : source ? source->tensors() : std::span<const TensorInfo>()) {
      EXPECT_TRUE(source->read(info));
    }
  }
}

TEST(Safetensors, NamesTheTensorAndBothSizes) {
  EXPECT_EQ(message_of(R"({"q":{"dtype":"F32","shape":[8,8],"data_offsets":[0,16]}})", 16),
            "case.safetensors: q: 16 bytes for F32 [8, 8], expected 256");
  EXPECT_EQ(message_of(R"({"q":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 5),
            "case.safetensors: the file is truncated: 5 bytes of data, expected 8");
  EXPECT_EQ(message_of(R"({"q":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("r":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                       1),
            "case.safetensors: r: its data overlaps that of q");
}

TEST(Safetensors, RefusesNamesThatTerminalsOrCStringsWouldMisread) {
  EXPECT_NE(message_of(R"({"a\u0000b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0),
            "accepted");
  const std::string escape =
      message_of(R"({"a\u001b[2J":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0);
  EXPECT_EQ(escape, R"(case.safetensors: 'a\x1b[2J': a control character in a name)");
  EXPECT_NE(message_of("{\"" + std::string(4097, 'a') +
                           R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                       0),
            "accepted");
}

TEST(Safetensors, BoundsDimensionsBesideOneOfZero) {
  EXPECT_EQ(message_of(R"({"a":{"dtype":"U8","shape":[0,1099511627776],"data_offsets":[0,0]}})", 0),
            "accepted");
  EXPECT_EQ(message_of(R"({"a":{"dtype":"U8","shape":[0,1099511627777],"data_offsets":[0,0]}})", 0),
            "case.safetensors: a: a dimension of 1099511627777, expected at most 2^40");
}

TEST(Safetensors, SaysWhatAFileOfAnotherKindIs) {
  const auto message = [](std::string_view bytes) { return open_bytes(bytes).error().message(); };
  EXPECT_NE(message("version https://git-lfs.github.com/spec/v1\n").find("git-lfs"),
            std::string::npos);
  EXPECT_NE(message("\n<!DOCTYPE html><html>").find("web page"), std::string::npos);
  EXPECT_NE(message("PK\x03\x04 and more").find("zip archive"), std::string::npos);
  EXPECT_NE(message("GGUF\3\0\0\0\0\0\0").find("GGUF"), std::string::npos);
  EXPECT_NE(message(std::string(100, '\0')).find("zeros"), std::string::npos);
  EXPECT_NE(message("\x1f\x8b\x08 and more").find("gzip"), std::string::npos);
  EXPECT_NE(message("").find("empty file"), std::string::npos);
}

TEST(Safetensors, TakesAnUnknownFieldOfAnyKind) {
  EXPECT_EQ(message_of(R"({"q":{"x":[[{"y":[]}]],"dtype":"U8","z":{"shape":1},"shape":[1],)"
                       R"("data_offsets":[0,1],"n":null}})",
                       1),
            "accepted");
}

TEST(Safetensors, ReadsARunOfBytes) {
  const auto source = open_bytes(from_hex(text_of(vectors(), "file_hex")));
  ASSERT_TRUE(source);
  const TensorInfo& info = *source->find("z.u8");
  std::array<std::byte, 2> out{};
  ASSERT_TRUE(source->read_bytes(info, 1, out));
  EXPECT_EQ(out[0], std::byte{2});
  EXPECT_EQ(out[1], std::byte{3});
  EXPECT_FALSE(source->read_bytes(info, 2, out));
}

}  // namespace
}  // namespace requant
