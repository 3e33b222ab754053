#include "container/gguf_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/bytes.h"
#include "container/ggml_types.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::corpus_folder;
using testing_support::read_file;
using testing_support::TemporaryFolder;

constexpr std::string_view kCorpus[] = {
    "llamacpp__iq4_xs__tiny_llama",    "llamacpp__q2_k__tiny_llama",
    "llamacpp__q3_k_s__tiny_llama",    "llamacpp__q4_0__tiny_llama",
    "llamacpp__q4_1__tiny_llama",      "llamacpp__q4_k_m__tiny_llama-tied",
    "llamacpp__q4_k_m__tiny_qwen3moe", "llamacpp__q4_k_s__tiny_llama",
    "llamacpp__q5_0__tiny_llama",      "llamacpp__q6_k__tiny_llama",
    "llamacpp__q8_0__tiny_llama",      "llamacpp__tq2_0__tiny_llama"};

std::vector<GgufTensor> table_of(std::vector<TensorInfo> infos) {
  std::vector<GgufTensor> tensors;
  for (const TensorInfo& info : infos) {
    Shape shape = info.shape;
    const std::string_view type =
        info.encoding().empty() ? ggml_name_of(info.dtype) : info.encoding();
    if (!info.encoding().empty()) {
      const GgmlType& ggml = *ggml_type(info.encoding());
      shape.back() = shape.back() / ggml.block_bytes * ggml.block_elements;
    }
    tensors.push_back({info.name, type, shape});
  }
  return tensors;
}

std::vector<TensorInfo> in_order(const Source& source) {
  std::vector<TensorInfo> infos(source.tensors().begin(), source.tensors().end());
  std::ranges::sort(infos, {}, &TensorInfo::offset);
  return infos;
}

TEST(GgufFile, HasTheBytesOfEveryFileOfTheCorpus) {
  std::size_t files = 0;
  for (const std::string_view name : kCorpus) {
    if (corpus_folder(name).empty()) continue;
    SCOPED_TRACE(name);
    const auto path = corpus_folder(name) / "model.gguf";
    const auto source = open_source(path);
    ASSERT_TRUE(source) << source.error().message();
    const auto keys = GgufKeyBytes::read(source->files().front());
    ASSERT_TRUE(keys) << keys.error().message();
    const auto infos = in_order(*source);
    const auto file = gguf_file(*keys, table_of(infos));
    ASSERT_TRUE(file) << file.error().message();
    const std::string expected = read_file(path);
    EXPECT_EQ(file->bytes, expected.size());
    EXPECT_TRUE(expected.starts_with(file->header));
    for (std::size_t i = 0; i < infos.size(); ++i) EXPECT_EQ(file->offsets[i], infos[i].offset);
    ++files;
  }
  EXPECT_TRUE(files > 0 || corpus_folder("tiny-llama").empty());
}

TEST(GgufFile, HasKeysOfEveryKindThatItIsGiven) {
  GgufKeyBytes keys;
  keys.set_string("general.architecture", "llama");
  keys.set_u32("llama.block_count", 7);
  keys.set_u32("llama.block_count", 4000000000U);  // in its place
  keys.set_f32("llama.rope.freq_base", 1e-5F);
  keys.set_bool("tokenizer.ggml.add_bos_token", true);
  keys.set_strings("tokenizer.ggml.tokens", std::vector<std::string>{"a", ""});
  keys.set_i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, -3});
  keys.set_f32s("tokenizer.ggml.scores", std::vector<float>{-1.5F});
  keys.set_u32("gone", 1);
  keys.erase("gone");
  EXPECT_EQ(keys.size(), 7U);
  EXPECT_FALSE(keys.has("gone"));
  const std::vector<GgufTensor> tensors = {{"a.weight", "Q4_0", {2, 64}}, {"b", "F32", {3}}};
  const auto file = gguf_file(keys, tensors);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->header.size() % 32, 0U);
  EXPECT_EQ(file->offsets[1] - file->offsets[0], 96U);  // 72 bytes
  EXPECT_EQ(file->bytes, file->offsets[1] + 32);
  const TemporaryFolder folder;
  testing_support::write_file(folder / "a.gguf",
                              file->header + std::string(file->bytes - file->header.size(), '\1'));
  const auto source = open_source(folder / "a.gguf");
  ASSERT_TRUE(source) << source.error().message();
  const std::map<std::string, std::string> expected = {
      {"general.architecture", "\"llama\""},    {"llama.block_count", "4000000000"},
      {"llama.rope.freq_base", "1e-05"},        {"tokenizer.ggml.add_bos_token", "true"},
      {"tokenizer.ggml.tokens", R"(["a",""])"}, {"tokenizer.ggml.token_type", "[1,-3]"},
      {"tokenizer.ggml.scores", "[-1.5]"}};
  EXPECT_EQ(source->metadata(), expected);
  EXPECT_EQ(source->find("a.weight")->encoding(), "Q4_0");
  EXPECT_EQ(source->find("a.weight")->shape, (Shape{2, 36}));
  EXPECT_EQ(source->find("b")->dtype, DType::kF32);
  EXPECT_TRUE(source->notes().empty());
}

TEST(GgufFile, RefusesWhatReadersRefuse) {
  const GgufKeyBytes keys;
  const auto refuses = [&](const GgufTensor& tensor) {
    return !gguf_file(keys, std::span(&tensor, 1));
  };
  EXPECT_TRUE(refuses({std::string(64, 'a'), "F32", {1}}));
  EXPECT_FALSE(refuses({std::string(63, 'a'), "F32", {1}}));
  EXPECT_TRUE(refuses({"", "F32", {1}}));
  EXPECT_TRUE(refuses({"a", "F32", {}}));
  EXPECT_TRUE(refuses({"a", "F32", {1, 1, 1, 1, 1}}));
  EXPECT_TRUE(refuses({"a", "F32", {0}}));
  EXPECT_TRUE(refuses({"a", "Q4_0", {2, 48}}));
  EXPECT_TRUE(refuses({"a", "Q4_2", {2, 64}}));
  EXPECT_TRUE(refuses({"a", "F32", {std::int64_t{1} << 62, 4}}));
  const std::vector<GgufTensor> twice = {{"a", "F32", {1}}, {"a", "F32", {1}}};
  EXPECT_FALSE(gguf_file(keys, twice));
}

TEST(GgufFile, IsFilledRowByRowWhereItsRowsLieElsewhere) {
  const TemporaryFolder folder;
  // Two heads of four rows, pairs side by side in the file: rows 0 2 1 3 of each.
  TensorInfo info;
  info.name = "q";
  info.dtype = DType::kF32;
  info.shape = {8, 3};
  info.offset = 32;
  info.bytes = 96;
  info.set_special({.strides = {12, 3, 6, 1}, .strided_shape = {2, 2, 2, 3}});
  auto writer = TensorFileWriter::create(
      folder / "a", {.header = std::string(32, 'h'), .bytes = 128, .tensors = {info}});
  ASSERT_TRUE(writer) << writer.error().message();
  std::vector<float> values(24);
  std::iota(values.begin(), values.end(), 0.0F);
  const auto bytes = std::as_bytes(std::span(values));
  ASSERT_TRUE(writer->fill("q", 40, bytes.subspan(40)));  // in the middle of a row
  ASSERT_TRUE(writer->fill("q", 0, bytes.first(40)));
  ASSERT_TRUE(writer->finish());
  const std::string written = read_file(folder / "a");
  std::vector<float> found(24);
  std::memcpy(found.data(), written.data() + 32, 96);
  const std::vector<float> rows = {0, 6, 3, 9, 12, 18, 15, 21};
  for (std::size_t row = 0; row < 8; ++row) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(found[row * 3 + i], rows[row] + static_cast<float>(i)) << row;
    }
  }
  EXPECT_EQ(written.substr(0, 32), std::string(32, 'h'));
}

}  // namespace
}  // namespace requant
