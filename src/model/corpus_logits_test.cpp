// Every corpus folder with expected logits, run as it lies.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "model/model.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing_support::corpus_expected;
using testing_support::corpus_folders;

constexpr double kPlain = 2e-3;  // of the largest logit

// Folders whose expected logits are of another arithmetic than F32 with the stored weights.
struct Other {
  std::string_view folder;  // how it begins
  double bound;
  std::string_view why;
};
constexpr Other kOthers[] = {
    {"bnb__int8", 8e-2, "the tool rounds inputs to int8"},
    {"bnb__nf4", 2e-2, "the tool multiplies in BF16"},
    {"gptqmodel__awq-gemm", 2e-2, "the tool multiplies in F16"},
    {"llmcompressor__NVFP4", 2e-2, "the tool rounds weights to BF16"},
    {"llmcompressor__FP8_DYNAMIC__tiny_internvl", 1e-2, "not explained"},
    {"llmcompressor__W4A16-g32__tiny_qwen3moe", 8e-2,
     "not explained: the expected file has no weights of the experts"},
    {"mlx__", 2e-1, "the tool computes in BF16"},
    {"modelopt__FP8_PB_WO", 3e-2, "the tool computes in BF16"},
    {"modelopt__FP8", 2.5e-1, "the tool computes in BF16 and rounds inputs"},
    {"modelopt__INT8_SQ", 2.5e-1, "the tool computes in BF16 and rounds inputs"},
    {"modelopt__INT4_AWQ", 0, "of the model before its export, which changes it"},
    {"modelopt__W4A8_AWQ", 0, "of the model before its export, which changes it"},
    {"quark__mxfp6", 2e-1, "the tool computes in BF16 and rounds inputs"},
    {"quark__ptpc_fp8", 2e-1, "the tool computes in BF16 and rounds inputs"},
    {"quark__", 2e-2, "the tool computes in BF16"},
};

const Other* other_of(const std::string& name) {
  for (const Other& other : kOthers) {
    if (name.starts_with(other.folder)) return &other;
  }
  return nullptr;
}

struct Expected {
  std::vector<std::uint32_t> tokens;
  std::vector<float> logits;
};

std::optional<Expected> expected_of(const std::string& name) {
  const fs::path json_path = corpus_expected(name, ".json");
  const fs::path path = corpus_expected(name, ".safetensors");
  if (json_path.empty() || path.empty()) return std::nullopt;
  const auto json = parse_json(testing_support::read_file(json_path));
  const auto source = open_source(path);
  if (!json || !source) return std::nullopt;
  Expected expected;
  for (const Json& token : json->find("tokens")->items()) {
    expected.tokens.push_back(static_cast<std::uint32_t>(*token.as_uint()));
  }
  for (const char* key : {"logits_weightonly_f32", "logits_tool", "logits_tool_bf16"}) {
    const TensorInfo* info = source->find(key);
    if (info == nullptr) continue;
    const auto tensor = source->read(*info);
    if (!tensor) return std::nullopt;
    const auto values = tensor->as<float>();
    expected.logits.assign(values.begin(), values.end());
    return expected;
  }
  return std::nullopt;
}

// The largest difference over the largest magnitude.
double distance(const std::vector<float>& found, const std::vector<float>& expected) {
  double most = 0;
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto wanted = static_cast<double>(expected[i]);
    most = std::max(most, std::fabs(wanted));
    largest = std::max(largest, std::fabs(static_cast<double>(found[i]) - wanted));
  }
  return largest / most;
}

Result<std::vector<float>> logits_of(const fs::path& folder,
                                     const std::vector<std::uint32_t>& tokens) {
  RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(folder));
  RQ_TRY(const Model model, Model::load(checkpoint, InputRounding::kNone));
  SequenceCache cache;
  std::vector<float> states;
  // In two pieces: the second one finds the first in the cache.
  const std::span<const std::uint32_t> all(tokens);
  for (const auto piece : {all.first(7), all.subspan(7)}) {
    RQ_TRY(const std::vector<float> own, model.hidden(piece, cache));
    states.insert(states.end(), own.begin(), own.end());
  }
  return model.logits(states);
}

TEST(CorpusLogits, AreThoseOfTheStoredWeightsInF32) {
  std::size_t folders = 0;
  std::size_t plain = 0;
  std::size_t others = 0;
  std::vector<std::string> without;
  for (const fs::path& folder : corpus_folders()) {
    const std::string name = folder.filename().string();
    const auto expected = expected_of(name);
    if (!expected) continue;
    ++folders;
    const auto logits = logits_of(folder, expected->tokens);
    if (!logits) {
      EXPECT_EQ(logits.error().code(), ErrorCode::kRefused) << logits.error().message();
      without.push_back(name + ": " + logits.error().message());
      continue;
    }
    const Other* other = other_of(name);
    if (other != nullptr && other->bound == 0) {
      without.push_back(name + ": expected logits are " + std::string(other->why));
      continue;
    }
    ASSERT_EQ(logits->size(), expected->logits.size()) << name;
    EXPECT_LE(distance(*logits, expected->logits), other == nullptr ? kPlain : other->bound)
        << name << (other == nullptr ? "" : ": ") << (other == nullptr ? "" : other->why);
    ++(other == nullptr ? plain : others);
  }
  std::printf("%zu folders: %zu within %g, %zu of another arithmetic, %zu not compared\n", folders,
              plain, kPlain, others, without.size());
  for (const std::string& line : without) std::printf("not compared: %s\n", line.c_str());
  EXPECT_EQ(plain + others + without.size(), folders);
  EXPECT_GE(plain, 3U);
  EXPECT_LE(without.size(), 4U);
}

}  // namespace
}  // namespace requant
