#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "container/container.h"
#include "container/ggml_types.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::corpus_folder;
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
  write_file(folder() / "case.gguf", bytes);
  return open_source(folder() / "case.gguf");
}

std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  return text;
}

std::string string_of(std::string_view text) { return little(text.size(), 8) + std::string(text); }

std::string pair_of(std::string_view key, std::uint32_t type, std::string_view value) {
  return string_of(key) + little(type, 4) + std::string(value);
}

// Sizes innermost first.
std::string tensor_of(std::string_view name, const std::vector<std::uint64_t>& sizes,
                      std::uint32_t type, std::uint64_t offset) {
  std::string text = string_of(name) + little(sizes.size(), 4);
  for (const std::uint64_t size : sizes) text += little(size, 8);
  return text + little(type, 4) + little(offset, 8);
}

std::string file_of(const std::vector<std::string>& pairs, const std::vector<std::string>& tensors,
                    std::size_t data_bytes, std::uint32_t version = 3) {
  std::string file =
      "GGUF" + little(version, 4) + little(tensors.size(), 8) + little(pairs.size(), 8);
  for (const std::string& pair : pairs) file += pair;
  for (const std::string& tensor : tensors) file += tensor;
  file.append((32 - file.size() % 32) % 32, '\0');
  return file.append(data_bytes, '\1');
}

std::string message_of(const std::string& file) {
  const auto source = open_bytes(file);
  return source ? "accepted" : source.error().message();
}

std::string message_of_pair(const std::string& pair) { return message_of(file_of({pair}, {}, 0)); }
std::string message_of_tensor(const std::string& tensor, std::size_t data_bytes = 64) {
  return message_of(file_of({}, {tensor}, data_bytes));
}

TEST(Gguf, ReadsWhatTheReferenceWrote) {
  const auto vectors = parse_json(read_file(data_dir() / "vectors/gguf.json"));
  ASSERT_TRUE(vectors);
  const std::string file = from_hex(*vectors->at({"container", "file_hex"})->as_string());
  const auto source = open_bytes(file);
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->container(), "gguf");
  EXPECT_EQ(source->metadata().at("general.architecture"), "\"llama\"");
  EXPECT_EQ(source->metadata().at("llama.block_count"), "1");
  const TensorInfo* plain = source->find("a.weight");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->dtype, DType::kF32);
  EXPECT_EQ(plain->shape, (Shape{2, 3}));
  EXPECT_EQ(plain->encoding(), "");
  const TensorInfo* blocks = source->find("blk.0.q");
  ASSERT_NE(blocks, nullptr);
  EXPECT_EQ(blocks->dtype, DType::kU8);
  EXPECT_EQ(blocks->shape.front(), 2);
  EXPECT_FALSE(blocks->encoding().empty());
  EXPECT_TRUE(source->read(*blocks));
}

// The same bytes, cut at each place: one line, never more.
TEST(Gguf, RefusesEveryTruncation) {
  const auto vectors = parse_json(read_file(data_dir() / "vectors/gguf.json"));
  const std::string file = from_hex(*vectors->at({"container", "file_hex"})->as_string());
  const auto whole = open_bytes(file);
  ASSERT_TRUE(whole);
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : whole->tensors()) {
    end = std::max(end, tensor.offset + tensor.bytes);
  }
  for (std::size_t size = 0; size < end; ++size) {
    const auto source = open_bytes(std::string_view(file).substr(0, size));
    ASSERT_FALSE(source) << size;
    EXPECT_EQ(source.error().code(), ErrorCode::kCorrupt) << size;
    EXPECT_EQ(source.error().message().find('\n'), std::string::npos);
  }
}

TEST(Gguf, KeepsValuesOfEveryTypeAsJson) {
  const auto source = open_bytes(file_of(
      {pair_of("u8", 0, "\xFF"), pair_of("i8", 1, "\xFF"), pair_of("i16", 3, little(0x8000, 2)),
       pair_of("u32", 4, little(7, 4)), pair_of("f32", 6, little(0x3F800000, 4)),
       pair_of("nan", 6, little(0x7FC00000, 4)), pair_of("yes", 7, "\1"),
       pair_of("text", 8, string_of("a\"b")), pair_of("bytes", 8, string_of("\xFF\xFE")),
       pair_of("i64", 11, little(~std::uint64_t{0}, 8)),
       pair_of("short", 9, little(5, 4) + little(2, 8) + little(1, 4) + little(0xFFFFFFFF, 4)),
       pair_of("none", 9, little(8, 4) + little(0, 8))},
      {}, 0));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->metadata(), (std::map<std::string, std::string>{{"bytes", R"({"bytes":2})"},
                                                                    {"f32", "1.0"},
                                                                    {"i16", "-32768"},
                                                                    {"i64", "-1"},
                                                                    {"i8", "-1"},
                                                                    {"nan", "\"nan\""},
                                                                    {"none", "[]"},
                                                                    {"short", "[1,-1]"},
                                                                    {"text", R"("a\"b")"},
                                                                    {"u32", "7"},
                                                                    {"u8", "255"},
                                                                    {"yes", "true"}}));
}

TEST(Gguf, OnlyCountsLongArrays) {
  std::string items;
  for (int i = 0; i < 100; ++i) items += string_of("token");
  const auto source = open_bytes(
      file_of({pair_of("tokens", 9, little(8, 4) + little(100, 8) + items),
               pair_of("types", 9, little(5, 4) + little(5000, 8) + std::string(20000, '\0'))},
              {}, 0));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->metadata().at("tokens"), R"({"array":"string","count":100})");
  EXPECT_EQ(source->metadata().at("types"), R"({"array":"i32","count":5000})");
}

TEST(Gguf, RefusesKeysAndValuesThatNoReaderTakes) {
  EXPECT_EQ(message_of_pair(pair_of("", 4, little(1, 4))), "case.gguf: a key without a name");
  EXPECT_EQ(message_of(file_of({pair_of("a", 0, "\1"), pair_of("a", 0, "\1")}, {}, 0)),
            "case.gguf: key 'a' is there twice");
  EXPECT_EQ(message_of_pair(pair_of("a", 13, little(1, 8))),
            "case.gguf: key 'a': a value of type 13, expected 0 to 12");
  EXPECT_EQ(message_of_pair(pair_of("a", 7, "\2")),
            "case.gguf: key 'a': a boolean of 2, expected 0 or 1");
  EXPECT_EQ(message_of_pair(pair_of("a", 9, little(9, 4) + little(1, 8))),
            "case.gguf: key 'a': an array of arrays");
  EXPECT_EQ(
      message_of_pair(pair_of("general.alignment", 4, little(24, 4))),
      "case.gguf: key 'general.alignment' is u32 24, expected u32, a power of two up to 2^20");
  EXPECT_EQ(
      message_of_pair(pair_of("general.alignment", 10, little(32, 8))),
      "case.gguf: key 'general.alignment' is u64 32, expected u32, a power of two up to 2^20");
}

TEST(Gguf, BelievesNoCountBeyondTheFile) {
  EXPECT_EQ(message_of("GGUF" + little(3, 4) + little(1000000000, 8) + little(0, 8)),
            "case.gguf: 1000000000 tensors, and 0 bytes left in the file");
  EXPECT_EQ(message_of("GGUF" + little(3, 4) + little(0, 8) + little(~std::uint64_t{0}, 8)),
            "case.gguf: 18446744073709551615 keys, and 0 bytes left in the file");
  const std::uint64_t wraps = (std::uint64_t{1} << 62) + 1;
  EXPECT_EQ(message_of_pair(pair_of("a", 9, little(4, 4) + little(wraps, 8) + little(0, 4))),
            "case.gguf: key 'a': an array of 4611686018427387905 u32, with 15 bytes left in the "
            "file");
  EXPECT_EQ(message_of_pair(pair_of("a", 8, little(~std::uint64_t{0}, 8) + "abc")),
            "case.gguf: key 'a': a string of 18446744073709551615 bytes, expected at most 19");
}

TEST(Gguf, RefusesTensorsThatCannotBe) {
  EXPECT_EQ(message_of_tensor(tensor_of("w", {}, 0, 0)),
            "case.gguf: w: 0 dimensions, expected 1 to 4");
  EXPECT_EQ(message_of_tensor(tensor_of("w", {0, 4}, 0, 0)),
            "case.gguf: w: a dimension of 0, expected 1 to 2^40");
  EXPECT_EQ(message_of_tensor(tensor_of("w", {4, std::uint64_t(-64)}, 0, 0)),
            "case.gguf: w: a dimension of -64, expected 1 to 2^40");
  EXPECT_EQ(message_of_tensor(tensor_of("w", {48, 2}, 8, 0)),
            "case.gguf: w: rows of 48 elements, expected whole blocks of 32 for Q8_0");
  for (const std::uint32_t gone : {4U, 5U, 31U, 36U, 255U}) {
    EXPECT_EQ(message_of_tensor(tensor_of("w", {32}, gone, 0)),
              "case.gguf: w: ggml type " + std::to_string(gone) + ", which is none");
  }
  const std::uint64_t large = std::uint64_t{1} << 40;
  EXPECT_EQ(message_of_tensor(tensor_of("w", {large, large}, 0, 0)),
            "case.gguf: w: its size overflows");
  EXPECT_EQ(message_of_tensor(tensor_of("w", {8}, 0, 32)),
            "case.gguf: w: its data begin at 32, expected 0");
  EXPECT_EQ(message_of_tensor(tensor_of(std::string(64, 'n'), {8}, 0, 0)),
            "case.gguf: a tensor's name of 64 bytes, expected 1 to 63");
  EXPECT_EQ(message_of(file_of({}, {tensor_of("w", {8}, 0, 0), tensor_of("w", {8}, 0, 32)}, 64)),
            "w: in case.gguf and again in case.gguf");
}

TEST(Gguf, SaysWhichTensorIsCut) {
  EXPECT_EQ(message_of(file_of({}, {tensor_of("a", {8}, 0, 0), tensor_of("b", {8}, 0, 32)}, 63)),
            "case.gguf: b: the file is truncated: 159 bytes, expected at least 160");
}

TEST(Gguf, RefusesOtherVersionsAndByteOrders) {
  EXPECT_EQ(message_of(file_of({}, {}, 0, 1)), "case.gguf: GGUF version 1, expected 2 or 3");
  EXPECT_EQ(message_of(file_of({}, {}, 0, 4)), "case.gguf: GGUF version 4, expected 2 or 3");
  EXPECT_EQ(message_of(file_of({}, {}, 0, 0x03000000)),
            "case.gguf: GGUF of a big-endian machine cannot be read");
  EXPECT_TRUE(open_bytes(file_of({}, {}, 0, 2)));
}

TEST(Gguf, NotesBytesThatBelongToNoTensor) {
  const auto source = open_bytes(file_of({}, {tensor_of("w", {8}, 0, 0)}, 32 + 64));
  ASSERT_TRUE(source) << source.error().message();
  ASSERT_EQ(source->notes().size(), 1U);
  EXPECT_EQ(source->notes()[0], "case.gguf: 64 bytes after the last tensor");
}

std::vector<std::string> split_keys(int number, int count, int tensors) {
  return {pair_of("split.no", 2, little(static_cast<std::uint64_t>(number), 2)),
          pair_of("split.count", 2, little(static_cast<std::uint64_t>(count), 2)),
          pair_of("split.tensors.count", 5, little(static_cast<std::uint64_t>(tensors), 4))};
}

TEST(Gguf, PutsSplitFilesTogether) {
  const TemporaryFolder parts;
  write_file(parts / "m-00001-of-00002.gguf",
             file_of(split_keys(0, 2, 2), {tensor_of("a", {8}, 0, 0)}, 32));
  EXPECT_EQ(open_source(parts.path()).error().message(),
            parts.path().string() +
                ": 1 of the 2 shards that 'm-00001-of-00002.gguf' belongs to are there, and no "
                "index");
  const auto alone = open_source(parts / "m-00001-of-00002.gguf");
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().message(),
            "m-00001-of-00002.gguf: 'split.count' is 2, and 1 of these files is read: name their "
            "folder");
  write_file(parts / "m-00002-of-00002.gguf",
             file_of(split_keys(1, 2, 2), {tensor_of("b", {8}, 0, 0)}, 32));
  const auto source = open_source(parts.path());
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->tensors().size(), 2U);
  EXPECT_EQ(source->metadata().at("split.no"), "0");
  write_file(parts / "m-00001-of-00002.gguf",
             file_of(split_keys(0, 2, 3), {tensor_of("a", {8}, 0, 0)}, 32));
  EXPECT_EQ(open_source(parts.path()).error().message(),
            "m-00001-of-00002.gguf: 'split.tensors.count' is 3, the files have 2");
}

TEST(GgmlTypes, AreFoundByNumberAndName) {
  const auto vectors = parse_json(read_file(data_dir() / "vectors/gguf.json"));
  ASSERT_TRUE(vectors);
  int known = 0;
  for (const auto& [name, row] : vectors->find("type_table")->members()) {
    const GgmlType* type = ggml_type(name);
    ASSERT_NE(type, nullptr) << name;
    EXPECT_EQ(ggml_type(type->id), type);
    EXPECT_EQ(type->id, *row.find("id")->as_int()) << name;
    EXPECT_EQ(type->block_elements, *row.find("block_elems")->as_int()) << name;
    EXPECT_EQ(type->block_bytes, *row.find("block_bytes")->as_int()) << name;
    ++known;
  }
  EXPECT_GE(known, 30);
}

TEST(Gguf, ReadsEveryFileOfTheCorpus) {
  const std::filesystem::path one = corpus_folder("llamacpp__q4_k_m__tiny_qwen3moe");
  if (one.empty()) return;  // only a part of the corpus is at hand
  const auto source = open_source(one / "model.gguf");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->metadata().at("general.architecture"), "\"qwen3moe\"");
  const TensorInfo* experts = source->find("blk.0.ffn_down_exps.weight");
  ASSERT_NE(experts, nullptr);
  EXPECT_EQ(experts->encoding(), "Q5_0");
  EXPECT_EQ(experts->shape.size(), 3U);
}

}  // namespace
}  // namespace requant
