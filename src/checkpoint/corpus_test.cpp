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
    if (!checkpoint) continue;
    std::set<std::string> expected;
    for (const Json& item : entry->find("quantised")->items()) expected.emplace(*item.as_string());
    std::set<std::string> found;
    for (const Weight& weight : checkpoint->weights()) found.insert(weight.module);
    EXPECT_EQ(found, expected) << folder;
    ++read;
  }
  EXPECT_GE(read, 7);
}

// These multiply code and scale in F16: one rounding of the exact value.
bool rounds_to_f16(const std::string& folder) {
  return folder.starts_with("autoawq") || folder.starts_with("gptqmodel") ||
         folder.starts_with("autoround");
}

// The rows that the expected file keeps, within what the tool's own arithmetic rounds to: W4AFP8's
// tool multiplies in BF16.
void expect_rows(const Tensor& decoded, const Json& entry, const Source& rows,
                 const std::string& name, bool in_f16) {
  const TensorInfo* info = rows.find("rows:" + name);
  ASSERT_NE(info, nullptr) << name;
  const auto kept = rows.read(*info);
  ASSERT_TRUE(kept) << kept.error().message();
  const double tolerance = 4.2e-3 * *entry.find("absmax")->as_double();
  const std::int64_t cols = decoded.shape[1];
  std::int64_t at = 0;
  for (const Json& row : entry.find("rows")->items()) {
    for (std::int64_t col = 0; col < cols; ++col, ++at) {
      const double value = element_as_double(decoded, *row.as_int() * cols + col);
      const double expected = element_as_double(*kept, at);
      const double rounded = f16_to_f32(f32_to_f16(static_cast<float>(value)));
      ASSERT_NEAR(in_f16 ? rounded : value, expected, in_f16 ? 0 : tolerance)
          << name << " [" << *row.as_int() << ", " << col << "]";
    }
  }
}

int compare_with_expected(const Checkpoint& checkpoint, const std::string& folder) {
  const auto parsed = parse_json(read_file(corpus_expected(folder, ".json")));
  if (!parsed) return 0;  // Python wrote NaN into one of them, which is no JSON
  const Json& expected = *parsed;
  const fs::path rows_path = corpus_expected(folder, ".safetensors");
  int compared = 0;
  for (const Weight& weight : checkpoint.weights()) {
    const std::string name = weight.module + ".weight";
    const Json* entry = expected.at({"weights", name});
    if (entry == nullptr || weight.codec->decode == nullptr) continue;
    const auto quantized = checkpoint.read(weight);
    EXPECT_TRUE(quantized) << quantized.error().message();
    if (!quantized) return compared;
    const auto decoded = dequantize(*quantized);
    EXPECT_TRUE(decoded) << decoded.error().message();
    if (const Json* hash = entry->find("sha256_f32")) {
      EXPECT_EQ(sha256_hex(decoded->bytes.span()), *hash->as_string()) << folder << " " << name;
    } else {
      const auto rows = open_source(rows_path);
      EXPECT_TRUE(rows) << rows.error().message();
      expect_rows(*decoded, *entry, *rows, name, rounds_to_f16(folder));
    }
    ++compared;
  }
  return compared;
}

TEST(Corpus, DecodesToWhatTheWritingToolDecodesTo) {
  int compared = 0;
  for (const fs::path& folder : corpus_folders()) {
    if (corpus_expected(name_of(folder), ".json").empty()) continue;
    const auto checkpoint = open_if_readable(folder);
    if (checkpoint) compared += compare_with_expected(*checkpoint, name_of(folder));
  }
  EXPECT_GE(compared, 50);
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
