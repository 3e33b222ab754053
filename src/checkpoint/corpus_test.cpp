// Every corpus folder in a dialect that can be read, against what the tool that wrote it says.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing_support::corpus_expected;
using testing_support::corpus_folders;
using testing_support::data_dir;
using testing_support::read_file;

Json json_of(const fs::path& path) {
  auto json = parse_json(read_file(path));
  EXPECT_TRUE(json) << path << json.error().message();
  return *std::move(json);
}

std::string name_of(const fs::path& folder) { return folder.filename().string(); }

// kRefused is the answer for formats that cannot be read yet.
std::optional<Checkpoint> open_if_readable(const fs::path& folder) {
  auto checkpoint = Checkpoint::open(folder);
  if (checkpoint) return *std::move(checkpoint);
  EXPECT_EQ(checkpoint.error().code(), ErrorCode::kRefused) << checkpoint.error().message();
  return std::nullopt;
}

TEST(Corpus, EveryFolderIsOfTheDialectThatItsWriterMeant) {
  const Json weights = json_of(data_dir() / "corpus/weights.json");
  for (const fs::path& folder : corpus_folders()) {
    const Json* entry = weights.find(name_of(folder));
    if (entry == nullptr) continue;
    const auto checkpoint = Checkpoint::open(folder, {.lenient = true});
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    EXPECT_EQ(checkpoint->dialect().name, *entry->find("dialect")->as_string()) << folder;
  }
}

TEST(Corpus, TheQuantisedModulesAreThoseOfTheList) {
  const Json weights = json_of(data_dir() / "corpus/weights.json");
  int read = 0;
  for (const fs::path& folder : corpus_folders()) {
    const Json* entry = weights.find(name_of(folder));
    if (entry == nullptr) continue;
    const auto checkpoint = open_if_readable(folder);
    if (!checkpoint || entry->find("quantised") == nullptr) continue;  // GGUF: corpus_gguf_test
    std::set<std::string> expected;
    for (const Json& item : entry->find("quantised")->items()) expected.emplace(*item.as_string());
    std::set<std::string> found;
    for (const Weight& weight : checkpoint->weights()) found.insert(weight.module);
    EXPECT_EQ(found, expected) << folder;
    ++read;
  }
  EXPECT_GE(read, 7);
}

// Weights that no entry of the expected file tells about, or that are compared elsewhere, by
// folder.
struct Untold {
  std::string_view folder;  // how it begins
  int weights;
  std::string_view why;
};
constexpr Untold kUntold[] = {
    {"byhand__mxfp4__tiny_gptoss", 4, "transposed: corpus_steps_test"},
    {"gptqmodel__awq-gemm-w4g128__tiny_llama", 14, "the tool decoded none"},
    {"llmcompressor0.5.1__sparse24-W4A16-marlin24", 14, "marlin-24 is recognised only"},
    {"llmcompressor__FP8_DYNAMIC__tiny_internvl", 14,
     "the tool left NaN outside the language model"},
    {"llmcompressor__W4A16-g32__tiny_qwen3moe", 24, "only attention is in the expected file"},
    {"modelopt__MXFP4__tiny_llama", 14, "the tool cannot decode it on a CPU"},
    {"modelopt__NVFP4__tiny_qwen3moe", 32, "the tool cannot decode it on a CPU"},
    {"modelopt__W4A16_NVFP4__tiny_llama", 14, "the tool cannot decode it on a CPU"},
    {"modelopt__", 14, "of before the export: corpus_steps_test"},
    {"transformers__finegrained_fp8__tiny_qwen3moe", 24, "only attention is in the expected file"},
};

int untold_weights(const std::string& folder) {
  for (const Untold& untold : kUntold) {
    if (folder.starts_with(untold.folder)) return untold.weights;
  }
  return 0;
}

// The value, rounded once to one of the types in which tools multiply.
bool rounds_to(double value, double expected) {
  const float exact = static_cast<float>(value);
  return exact == expected || f16_to_f32(f32_to_f16(exact)) == expected ||
         bf16_to_f32(f32_to_bf16(exact)) == expected;
}

// The rows that the expected file keeps.
void expect_rows(const Tensor& decoded, const Json& entry, const Source& rows,
                 const std::string& name) {
  const TensorInfo* info = rows.find("rows:" + name);
  ASSERT_NE(info, nullptr) << name;
  const auto kept = rows.read(*info);
  ASSERT_TRUE(kept) << kept.error().message();
  const std::int64_t cols = decoded.shape[1];
  std::int64_t at = 0;
  for (const Json& row : entry.find("rows")->items()) {
    for (std::int64_t col = 0; col < cols; ++col, ++at) {
      const double value = element_as_double(decoded, *row.as_int() * cols + col);
      const double expected = element_as_double(*kept, at);
      ASSERT_TRUE(rounds_to(value, expected)) << name << " [" << *row.as_int() << ", " << col
                                              << "]: " << value << ", expected " << expected;
    }
  }
}

// MLX rounds the product and then the sum, both to BF16.
Tensor as_mlx_multiplies(const QuantizedWeight& w) {
  auto out = TensorBuilder::make(DType::kF32, {w.rows, w.cols});
  const auto rounded = [](double value) {
    return bf16_to_f32(f32_to_bf16(static_cast<float>(value)));
  };
  for (std::int64_t i = 0; i < w.rows * w.cols; ++i) {
    const std::int64_t cell = w.scheme.grid.index(i / w.cols, i % w.cols, w.rows, w.cols);
    const double product = element_as_double(w.codes, i) * element_as_double(w.scales, cell);
    out->as<float>()[static_cast<std::size_t>(i)] =
        rounded(rounded(product) + element_as_double(w.minima, cell));
  }
  return std::move(*out).finish();
}

// The entry of a weight. transformers puts the name of the language model in front.
std::string expected_name(const Json& expected, const std::string& module) {
  constexpr std::string_view kSaved = "language_model.model.";
  const std::string name = module + ".weight";
  if (expected.at({"weights", name}) != nullptr || !name.starts_with(kSaved)) return name;
  return "model.language_model." + name.substr(kSaved.size());
}

// Python writes NaN, which is no JSON.
Json expected_of(const std::string& folder) {
  std::string text = read_file(corpus_expected(folder, ".json"));
  for (std::size_t at = 0; (at = text.find(": NaN", at)) != std::string::npos;) {
    text.replace(at, 5, ": 0");
  }
  auto json = parse_json(text);
  EXPECT_TRUE(json) << folder << json.error().message();
  return *std::move(json);
}

int compare_with_expected(const Checkpoint& checkpoint, const std::string& folder) {
  const Json expected = expected_of(folder);
  int compared = 0;
  for (const Weight& weight : checkpoint.weights()) {
    const std::string name = expected_name(expected, weight.module);
    const Json* entry = expected.at({"weights", name});
    if (entry == nullptr || weight.codec->decode == nullptr) continue;
    const auto quantized = checkpoint.read(weight);
    EXPECT_TRUE(quantized) << quantized.error().message();
    if (!quantized) return compared;
    auto decoded = dequantize(*quantized);
    EXPECT_TRUE(decoded) << decoded.error().message();
    if (weight.codec->name == "mlx-affine") decoded = as_mlx_multiplies(*quantized);
    if (const Json* hash = entry->find("sha256_f32")) {
      EXPECT_EQ(sha256_hex(decoded->bytes.span()), *hash->as_string()) << folder << " " << name;
    } else {
      const auto rows = open_source(corpus_expected(folder, ".safetensors"));
      EXPECT_TRUE(rows) << rows.error().message();
      if (!rows) return compared;
      expect_rows(*decoded, *entry, *rows, name);
      if (testing::Test::HasFatalFailure()) return compared;
    }
    ++compared;
  }
  return compared;
}

TEST(Corpus, EveryWeightDecodesToWhatTheWritingToolDecodesItTo) {
  int folders = 0;
  for (const fs::path& folder : corpus_folders()) {
    const std::string name = name_of(folder);
    if (corpus_expected(name, ".json").empty()) continue;
    const auto checkpoint = open_if_readable(folder);
    if (!checkpoint) continue;
    const int weights = static_cast<int>(checkpoint->weights().size());
    EXPECT_EQ(compare_with_expected(*checkpoint, name), weights - untold_weights(name)) << name;
    ++folders;
  }
  EXPECT_GE(folders, 4);
}

// What cannot be opened is counted, so that a folder does not drop out in silence.
TEST(Corpus, OnlyTheseFoldersCannotBeRead) {
  std::set<std::string> refused;
  for (const fs::path& folder : corpus_folders()) {
    const std::string name = name_of(folder);
    if (!open_if_readable(folder)) refused.insert(name);
  }
  refused.erase("hqq__4bit-g64__tiny_llama");  // objects in a pickle, not tensors
  EXPECT_TRUE(refused.empty()) << *refused.begin();
}

// lmdeploy scales each row so that its largest value becomes the largest code. No expected file
// says so for its folders: it holds only when codes and scales are read the right way round.
TEST(Corpus, EveryRowOfLmdeploysReachesTheLargestCode) {
  for (const fs::path& folder : corpus_folders()) {
    if (!name_of(folder).starts_with("lmdeploy__sq-int8")) continue;
    const auto checkpoint = open_if_readable(folder);
    ASSERT_TRUE(checkpoint);
    for (const Weight& weight : checkpoint->weights()) {
      const auto quantized = checkpoint->read(weight);
      ASSERT_TRUE(quantized) << quantized.error().message();
      const auto codes = quantized->codes.as<std::int8_t>();
      for (std::int64_t row = 0; row < weight.rows; ++row) {
        int largest = 0;
        for (const std::int8_t code : codes.subspan(row * weight.cols, weight.cols)) {
          largest = std::max(largest, std::abs(int{code}));
        }
        ASSERT_EQ(largest, 127) << weight.module << " row " << row;
      }
    }
  }
}

}  // namespace
}  // namespace requant
