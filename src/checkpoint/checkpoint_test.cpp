#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing_support::corpus_folder;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr std::string_view kFp8InternVl = "lmdeploy__sq-fp8-v072__tiny-internvl25";

Checkpoint open(const fs::path& path, OpenOptions options = {}) {
  auto checkpoint = Checkpoint::open(path, options);
  EXPECT_TRUE(checkpoint) << checkpoint.error().message();
  return *std::move(checkpoint);
}

bool has_rule(const Checkpoint& checkpoint, std::string_view rule) {
  return std::any_of(checkpoint.findings().begin(), checkpoint.findings().end(),
                     [&](const Finding& f) { return f.rule == rule; });
}

// A copy of a corpus folder whose config.json may be changed.
class Copy {
 public:
  explicit Copy(std::string_view name) {
    for (const auto& entry : fs::directory_iterator(corpus_folder(name))) {
      fs::copy(entry.path(), folder_.path() / entry.path().filename());
    }
    fs::permissions(folder_.path() / "config.json", fs::perms::owner_all);
  }
  const fs::path& path() const { return folder_.path(); }
  Json config() const { return *parse_json(read_file(path() / "config.json")); }
  void set_config(const Json& config) const { write_file(path() / "config.json", config.dump(1)); }

 private:
  TemporaryFolder folder_;
};

TEST(Checkpoint, OpensTheFoundingCase) {
  const Checkpoint checkpoint = open(corpus_folder(kFp8InternVl));
  EXPECT_EQ(checkpoint.dialect().name, "lmdeploy");
  EXPECT_EQ(checkpoint.architecture().name(), "internvl_chat");
  EXPECT_EQ(checkpoint.weights().size(), 10U);
  EXPECT_EQ(checkpoint.writer().version, "0.7.1 to 0.8");
  EXPECT_TRUE(has_rule(checkpoint, "config.nested-quantization"));
  EXPECT_TRUE(has_rule(checkpoint, "config.dtype-disagrees"));
  EXPECT_FALSE(
      any_at_least({checkpoint.findings().begin(), checkpoint.findings().end()}, Severity::kError));
}

TEST(Checkpoint, OpensLmdeploysFolderWithoutAnyBlock) {
  const Copy copy(kFp8InternVl);
  Json config = copy.config();
  config.find("llm_config")->erase("quantization_config");
  copy.set_config(config);
  const Checkpoint checkpoint = open(copy.path());
  EXPECT_EQ(checkpoint.weights().size(), 10U);
  EXPECT_EQ(checkpoint.writer().version, "0.6.5 to 0.7.0");
  EXPECT_TRUE(has_rule(checkpoint, "config.no-quantization"));
}

TEST(Checkpoint, KeepsWhatIsNoPartOfAWeight) {
  const Checkpoint checkpoint = open(corpus_folder("lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow"));
  const auto dense = checkpoint.dense();
  const auto bias = std::find_if(dense.begin(), dense.end(), [](const DenseTensor& d) {
    return d.tensor->name == "model.layers.0.self_attn.q_proj.bias";
  });
  ASSERT_NE(bias, dense.end());
  EXPECT_FALSE(bias->is_weight);
  EXPECT_EQ(bias->module, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(checkpoint.weights().size() * 2 + dense.size(), checkpoint.source().tensors().size());
}

TEST(Checkpoint, AWeightsPartsAreAsStored) {
  const Checkpoint checkpoint = open(corpus_folder(kFp8InternVl));
  const auto parts = checkpoint.read_parts(checkpoint.weights().front());
  ASSERT_TRUE(parts) << parts.error().message();
  EXPECT_EQ(parts->at("weight").dtype, DType::kF8E4M3);
  EXPECT_EQ(parts->at("scale").dtype, DType::kF32);
}

TEST(Checkpoint, FailsForAConfigThatNoModelCanHave) {
  const Copy copy("lmdeploy_src__tiny-qwen2-zerorow");
  Json config = copy.config();
  config.set("hidden_size", -1);
  copy.set_config(config);
  const auto strict = Checkpoint::open(copy.path());
  ASSERT_FALSE(strict);
  EXPECT_EQ(strict.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(strict.error().message().find("hidden_size"), std::string::npos);
  EXPECT_TRUE(has_rule(open(copy.path(), {.lenient = true}), "config.bad-value"));
}

TEST(Checkpoint, SaysThatTheMethodIsNotThatOfTheTensors) {
  const Copy copy("lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow");
  Json config = copy.config();
  config.find("quantization_config")->set("quant_method", "fp8");
  copy.set_config(config);
  const Checkpoint checkpoint = open(copy.path());
  EXPECT_EQ(checkpoint.dialect().name, "lmdeploy");
  EXPECT_TRUE(has_rule(checkpoint, "config.method-disagrees"));
}

TEST(Checkpoint, RefusesADialectThatItCannotReadByName) {
  const Copy copy("autoawq__gemm-w4g128__tiny_llama");
  Json config = copy.config();
  config.find("quantization_config")->set("bits", 8);
  copy.set_config(config);
  const auto strict = Checkpoint::open(copy.path());
  ASSERT_FALSE(strict);
  EXPECT_EQ(strict.error().code(), ErrorCode::kRefused);
  const Checkpoint lenient = open(copy.path(), {.lenient = true});
  EXPECT_FALSE(lenient.is_readable());
  EXPECT_TRUE(has_rule(lenient, "dialect.not-readable"));
  EXPECT_EQ(lenient.dense().size(), lenient.source().tensors().size());
}

TEST(Checkpoint, AFamilyThatNobodyKnowsHasTheSameWeights) {
  for (const std::string_view name :
       {"llmcompressor__W8A8__tiny_llama", "autoawq__gemm-w4g128__tiny_llama",
        "llmcompressor__FP8_DYNAMIC__tiny_llama"}) {
    const Copy copy(name);
    Json config = copy.config();
    config.set("architectures", Json::array({Json("NobodyKnowsForCausalLM")}));
    config.set("model_type", "nobody_knows");
    copy.set_config(config);
    const Checkpoint known = open(corpus_folder(name));
    const Checkpoint unknown = open(copy.path());
    EXPECT_FALSE(unknown.architecture().known());
    EXPECT_TRUE(has_rule(unknown, "config.unknown-architecture"));
    ASSERT_EQ(unknown.weights().size(), known.weights().size());
    for (std::size_t i = 0; i < known.weights().size(); ++i) {
      EXPECT_EQ(unknown.weights()[i].module, known.weights()[i].module);
      EXPECT_EQ(unknown.weights()[i].scheme, known.weights()[i].scheme);
      EXPECT_TRUE(unknown.read(unknown.weights()[i]));
    }
  }
}

TEST(Checkpoint, ALoneWeightFileNeedsNoConfig) {
  const TemporaryFolder folder;
  fs::copy(corpus_folder("llmcompressor__W8A8__tiny_llama") / "model.safetensors", folder.path());
  const Checkpoint checkpoint = open(folder / "model.safetensors");
  EXPECT_TRUE(checkpoint.config().members().empty());
  EXPECT_TRUE(has_rule(checkpoint, "config.absent"));
  EXPECT_EQ(checkpoint.dialect().name, "compressed-tensors");
  EXPECT_EQ(checkpoint.weights().size(), 14U);
}

TEST(Checkpoint, AFolderNeedsAConfig) {
  const TemporaryFolder folder;
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_FALSE(checkpoint);
  EXPECT_EQ(checkpoint.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(checkpoint.error().message().find("config.json"), std::string::npos);
}

TEST(Checkpoint, ABrokenSideFileIsNamed) {
  const Copy copy("lmdeploy_src__tiny-qwen2-zerorow");
  fs::remove(copy.path() / "generation_config.json");
  write_file(copy.path() / "generation_config.json", "{oops");
  EXPECT_FALSE(Checkpoint::open(copy.path()));
  EXPECT_TRUE(has_rule(open(copy.path(), {.lenient = true}), "file.not-json"));
}

// As conversions of 20,000 tensors leave it.
TEST(Checkpoint, AReceiptMayBeLargerThanOtherSideFiles) {
  const Copy copy("lmdeploy_src__tiny-qwen2-zerorow");
  std::string receipt = "{\n  \"schema\": \"requant/receipt/1\",\n  \"requant\": \"0.0.7\"";
  receipt += ",\n  \"tensors\": [\n";
  while (receipt.size() < (std::size_t{17} << 20)) receipt += "    {\"name\": \"a\"},\n";
  write_file(copy.path() / "requant.json", receipt + "    {\"name\": \"a\"}\n  ]\n}\n");
  const WriterGuess writer = open(copy.path()).writer();
  EXPECT_EQ(writer.tool, "requant");
  EXPECT_EQ(writer.version, "0.0.7");

  write_file(copy.path() / "requant.json", std::string(std::size_t{17} << 20, ' '));
  const auto other = Checkpoint::open(copy.path());
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message().find("requant.json"), std::string::npos);
}

TEST(Checkpoint, ListsWhatLiesBesideTheWeights) {
  const Checkpoint checkpoint = open(corpus_folder("llmcompressor__W8A8__tiny_llama"));
  const auto& files = checkpoint.files();
  EXPECT_TRUE(std::binary_search(files.begin(), files.end(), "config.json"));
  EXPECT_FALSE(std::binary_search(files.begin(), files.end(), "model.safetensors"));
}

}  // namespace
}  // namespace requant
