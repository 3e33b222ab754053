// To and from GGUF through the whole of convert.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/letter_case.h"
#include "container/gguf_file.h"
#include "plan/testing.h"
#include "plan/verify_checksums.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::corpus_named;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

TEST(ConvertGguf, CopiesEveryFileOfTheCorpusByteForByte) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("llamacpp__")) {
    SCOPED_TRACE(folder.filename());
    const fs::path out = work / folder.filename().string();
    const auto done = convert_folder(folder, out, {.to = "gguf"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(read_file(folder / "model.gguf") == read_file(out / "model.gguf"));
    EXPECT_FALSE(fs::exists(out / "config.json"));
    const auto checksums = compare_checksums(out);
    ASSERT_TRUE(checksums) << checksums.error().message();
    EXPECT_TRUE(checksums->damage.empty());
  }
}

TEST(ConvertGguf, EncodesEveryBlockOfTheCorpusAsItLay) {
  std::size_t tensors = 0;
  for (const fs::path& folder : corpus_named("llamacpp__")) {
    SCOPED_TRACE(folder.filename());
    const auto source = open_source(folder);
    ASSERT_TRUE(source) << source.error().message();
    for (const TensorInfo& info : source->tensors()) {
      if (info.encoding().empty()) continue;
      const Codec* codec = find_codec("gguf-" + to_lower(info.encoding()));
      ASSERT_NE(codec, nullptr);
      ASSERT_NE(codec->encode, nullptr) << info.encoding();
      Tensor stored = *source->read(info);
      if (info.shape.size() == 3) stored.shape = {info.shape[0] * info.shape[1], info.shape[2]};
      const WeightParts parts = {{"weight", stored}};
      const auto weight = codec->decode(parts, *codec->scheme_of(parts, {}));
      ASSERT_TRUE(weight) << weight.error().message();
      const auto encoded = codec->encode(*weight);
      ASSERT_TRUE(encoded) << encoded.error().message();
      EXPECT_TRUE(same_bits(encoded->at("weight"), stored)) << info.name;
      ++tensors;
    }
  }
  EXPECT_TRUE(tensors > 50 || corpus_named("llamacpp__").size() < 10);
}

struct Way {
  std::string_view from;
  std::string_view type;  // of ggml, of the weights
};

TEST(ConvertGguf, HoldsIntegersExactly) {
  const TemporaryFolder work;
  constexpr Way kWays[] = {
      {"llmcompressor__W4A16-g128__tiny_llama", "Q4_0"},
      {"mlx__mxfp4__tiny_llama", "MXFP4"},
      {"gptqmodel__gptq-w4g128-sym__tiny_llama", "Q4_0"},
      {"autoawq__gemm-w4g128__tiny_llama", "Q8_0"},  // code less zero point
      {"llmcompressor__W4A16-g32__tiny_qwen3moe", "Q4_0"},
  };
  for (const Way& way : kWays) {
    const fs::path folder = corpus_folder(way.from);
    if (folder.empty()) continue;
    SCOPED_TRACE(way.from);
    const fs::path out = work / std::string(way.from);
    const auto done = convert_folder(folder, out, {.to = "gguf"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(folder, out), IsEmpty());
    const auto source = open_source(out);
    ASSERT_TRUE(source) << source.error().message();
    EXPECT_EQ(source->find("blk.0.attn_q.weight")->encoding(), way.type);
    EXPECT_EQ(source->find("output_norm.weight")->dtype, DType::kF32);
    const auto checksums = compare_checksums(out);
    ASSERT_TRUE(checksums) << checksums.error().message();
    EXPECT_TRUE(checksums->damage.empty());
  }
}

TEST(ConvertGguf, GoesBackToIntegersExactly) {
  const TemporaryFolder work;
  const fs::path q8_0 = corpus_folder("llamacpp__q8_0__tiny_llama");
  if (!q8_0.empty()) {
    const auto done =
        convert_folder(q8_0, work / "ct", {.to = "compressed-tensors", .allow = {"dequantise"}});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(q8_0, work / "ct"), IsEmpty());
  }
  const fs::path int4 = corpus_folder("llmcompressor__W4A16-g128__tiny_llama");
  if (int4.empty()) return;  // only a part of the corpus is at hand
  ASSERT_TRUE(convert_folder(int4, work / "q4_0", {.to = "gguf"}));
  const auto back = convert_folder(work / "q4_0", work / "int4", {.to = "compressed-tensors"});
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_THAT(mismatches(int4, work / "int4"), IsEmpty());
}

TEST(ConvertGguf, RoundsMinimaOfZeroPointsWithLeaveAlone) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  ASSERT_FALSE(folder.empty());
  const auto refused = convert_folder(folder, work / "no", {.to = "gguf:q4_1"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("--allow zero-rounding gives leave"));
  const auto done =
      convert_folder(folder, work / "yes", {.to = "gguf:q4_1", .allow = {"zero-rounding"}});
  ASSERT_TRUE(done) << done.error().message();
  const auto source = open_source(work / "yes");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->find("blk.0.attn_q.weight")->encoding(), "Q4_1");
}

// tokens, types and merges as llama.cpp's own converter wrote them of the same model.
TEST(ConvertGguf, HasTheKeysThatLlamaCppsConverterWrites) {
  const TemporaryFolder work;
  const fs::path reference = corpus_folder("llamacpp__q8_0__tiny_llama");
  const fs::path folder = corpus_folder("tiny-llama");
  if (reference.empty() || folder.empty()) return;  // only a part of the corpus is at hand
  const auto done = convert_folder(folder, work / "out", {.to = "gguf"});
  ASSERT_TRUE(done) << done.error().message();
  const auto expected = open_source(reference);
  const auto found = open_source(work / "out");
  ASSERT_TRUE(found) << found.error().message();
  for (const auto& [key, value] : expected->metadata()) {
    const bool is_own = key.starts_with("general.") || key == "tokenizer.ggml.pre";
    const auto own = found->metadata().find(key);
    if (is_own) continue;
    ASSERT_NE(own, found->metadata().end()) << key;
    EXPECT_EQ(own->second, value) << key;
  }
  const auto bytes_at = [](const Source& source, const std::string& key) {
    const auto keys = GgufKeyBytes::read(source.files().front());
    const std::string all = keys->bytes();
    return all.substr(all.find(key), 2048);
  };
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    EXPECT_EQ(bytes_at(*found, key), bytes_at(*expected, key)) << key;
  }
  for (const TensorInfo& info : expected->tensors()) {
    ASSERT_NE(found->find(info.name), nullptr) << info.name;
  }
}

TEST(ConvertGguf, IsQuantisedToBlockTypes) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("tiny-llama");
  if (folder.empty()) return;  // only a part of the corpus is at hand
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  for (const char* type : {"q4_0", "q8_0", "tq2_0", "q4_k", "iq4_xs", "iq2_xs"}) {
    SCOPED_TRACE(type);
    const auto recipe = Recipe::make(type, Recipe::usual_ignore());
    ASSERT_TRUE(recipe) << recipe.error().message();
    PlanRequest request;
    request.recipe = &*recipe;
    request.target = *parse_target("gguf");
    const auto plan = make_plan(*checkpoint, request);
    if (std::string_view(type) == "iq2_xs") {
      ASSERT_FALSE(plan);
      EXPECT_THAT(plan.error().message(), HasSubstr("rounding to it is not built in"));
      continue;
    }
    ASSERT_TRUE(plan) << plan.error().message();
    auto out = OutputFolder::begin(work / type, {.input = folder, .receipt = "requant.json"});
    ASSERT_TRUE(out) << out.error().message();
    const auto done = run_plan(*checkpoint, *plan, *out);
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_TRUE(out->commit());
    const auto source = open_source(work / type);
    ASSERT_TRUE(source) << source.error().message();
    EXPECT_EQ(source->find("blk.1.ffn_down.weight")->encoding(), to_upper(type));
    EXPECT_EQ(source->find("token_embd.weight")->encoding(), "");
  }
}

TEST(ConvertGguf, SeesDamageInWhatItWrote) {
  const TemporaryFolder work;
  const fs::path folder = corpus_folder("llamacpp__q4_0__tiny_llama");
  if (folder.empty()) return;  // only a part of the corpus is at hand
  ASSERT_TRUE(convert_folder(folder, work / "out", {.to = "gguf"}));
  const fs::path file = work / "out" / "model.gguf";
  std::string bytes = read_file(file);
  bytes[bytes.size() - 40] ^= 1;
  write_file(file, bytes);
  const auto data = compare_checksums(work / "out");
  ASSERT_TRUE(data) << data.error().message();
  ASSERT_EQ(data->damage.size(), 1U);
  EXPECT_FALSE(data->damage.front().tensor.empty());
  bytes[100] ^= 1;
  write_file(file, bytes);
  const auto header = compare_checksums(work / "out");
  ASSERT_TRUE(header) << header.error().message();
  ASSERT_EQ(header->damage.size(), 1U);
  EXPECT_EQ(header->damage.front().what, "the header differs");
}

}  // namespace
}  // namespace requant
