// Corpus folders whose expected values are not the decoded file's own: transposed (gpt-oss), from
// before the export rounded (ModelOpt), or only the source of the quantisation (GPTQModel's FP8).

#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/checkpoint.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::corpus_expected;
using testing_support::corpus_folder;
using testing_support::corpus_folders;
using testing_support::read_file;

struct Decoded {
  QuantizedWeight weight;
  Tensor values;  // F32 [rows, cols]
};

Decoded decode(const Checkpoint& checkpoint, const Weight& weight) {
  Decoded out;
  auto quantized = checkpoint.read(weight);
  EXPECT_TRUE(quantized) << quantized.error().message();
  if (!quantized) return out;
  out.weight = *std::move(quantized);
  auto values = dequantize(out.weight);
  EXPECT_TRUE(values) << values.error().message();
  if (values) out.values = *std::move(values);
  return out;
}

// The rows that the expected file keeps of one weight.
struct Kept {
  std::vector<std::int64_t> rows;
  Tensor values;  // F32 [rows.size(), cols]
};

std::optional<Kept> kept_rows(const std::string& folder, const std::string& name) {
  const auto json = parse_json(read_file(corpus_expected(folder, ".json")));
  const Json* entry = json ? json->at({"weights", name}) : nullptr;
  if (entry == nullptr) return std::nullopt;
  const auto rows = open_source(corpus_expected(folder, ".safetensors"));
  const TensorInfo* info = rows ? rows->find("rows:" + name) : nullptr;
  if (info == nullptr) return std::nullopt;
  Kept kept;
  for (const Json& row : entry->find("rows")->items()) kept.rows.push_back(*row.as_int());
  kept.values = *rows->read(*info);
  return kept;
}

std::string name_of(const std::filesystem::path& folder) { return folder.filename().string(); }

// One step of the code at (row, col): what rounding the other way would have made of it.
double step_at(const Decoded& decoded, std::int64_t row, std::int64_t col) {
  const QuantizedWeight& w = decoded.weight;
  const std::int64_t cell = w.scheme.grid.index(row, col, w.rows, w.cols);
  const double scale = std::fabs(element_as_double(w.scales, cell));
  const double value = std::fabs(element_as_double(decoded.values, row * w.cols + col));
  // Steps of e4m3fn are an eighth of the power of two below; the smallest is 2^-9.
  const double float_step = std::max(value / 8, scale * 0x1p-9);
  if (w.scheme.element != Element::kInt) return float_step;
  // W4A8 goes through FP8 on its way.
  return scale + (w.scheme.bits == 4 ? float_step : 0);
}

// The export of AWQ averages the input factors of q, k and v, and of gate and up, anew.
bool is_exported_as_it_was(const Weight& weight) {
  if (weight.scheme.bits == 8) return true;
  return weight.module.ends_with("down_proj") || weight.module.ends_with("o_proj");
}

int compare_within_a_step(const Checkpoint& checkpoint, const std::string& folder) {
  int compared = 0;
  for (const Weight& weight : checkpoint.weights()) {
    const auto kept = kept_rows(folder, "pre_export:" + weight.module + ".weight");
    if (!kept || !is_exported_as_it_was(weight)) continue;
    const Decoded decoded = decode(checkpoint, weight);
    for (std::size_t i = 0; i < kept->rows.size(); ++i) {
      const std::int64_t row = kept->rows[i];
      for (std::int64_t col = 0; col < weight.cols; ++col) {
        const std::int64_t at = static_cast<std::int64_t>(i) * weight.cols + col;
        EXPECT_NEAR(element_as_double(decoded.values, row * weight.cols + col),
                    element_as_double(kept->values, at), 1.01 * step_at(decoded, row, col))
            << folder << " " << weight.module << " [" << row << ", " << col << "]";
        if (testing::Test::HasFailure()) return compared;
      }
    }
    ++compared;
  }
  return compared;
}

TEST(Corpus, ModelOptIsWithinOneStepOfItsValuesBeforeExport) {
  int folders = 0;
  for (const auto& folder : corpus_folders()) {
    if (!name_of(folder).starts_with("modelopt__")) continue;
    const auto checkpoint = Checkpoint::open(folder);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    if (compare_within_a_step(*checkpoint, name_of(folder)) > 0) ++folders;
  }
  if (folders > 0) {  // else only a part of the corpus is at hand
    EXPECT_EQ(folders, 6);
  }
}

// transformers gives [experts, in, rows] and flattens that to rows.
TEST(Corpus, GptOssExpertsAreThoseOfTransformersTransposed) {
  const std::string folder = "byhand__mxfp4__tiny_gptoss";
  if (corpus_folder(folder).empty()) return;  // only a part of the corpus is at hand
  const auto checkpoint = Checkpoint::open(corpus_folder(folder));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  ASSERT_EQ(checkpoint->weights().size(), 4U);
  for (const Weight& weight : checkpoint->weights()) {
    const auto kept = kept_rows(folder, weight.module);
    ASSERT_TRUE(kept) << weight.module;
    const Decoded decoded = decode(*checkpoint, weight);
    const std::int64_t rows = weight.rows / weight.experts;
    for (std::size_t i = 0; i < kept->rows.size(); ++i) {
      const std::int64_t expert = kept->rows[i] / weight.cols;
      const std::int64_t col = kept->rows[i] % weight.cols;
      for (std::int64_t row = 0; row < rows; ++row) {
        ASSERT_EQ(element_as_double(decoded.values, (expert * rows + row) * weight.cols + col),
                  element_as_double(kept->values, static_cast<std::int64_t>(i) * rows + row))
            << weight.module << " [" << expert << ", " << row << ", " << col << "]";
      }
    }
  }
}

// Multiplying by what GPTQModel calls an inverse would be off by a factor of a million.
TEST(Corpus, GptqmodelsFp8IsWithinOneStepOfItsSource) {
  const auto folder = corpus_folder("gptqmodel__fp8-row__tiny_llama");
  if (folder.empty()) return;  // only a part of the corpus is at hand
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  const auto source = open_source(corpus_folder("tiny-llama"));
  ASSERT_TRUE(source) << source.error().message();
  ASSERT_EQ(checkpoint->weights().size(), 14U);
  for (const Weight& weight : checkpoint->weights()) {
    const auto plain = source->read(*source->find(weight.module + ".weight"));
    ASSERT_TRUE(plain) << plain.error().message();
    const Decoded decoded = decode(*checkpoint, weight);
    for (std::int64_t i = 0; i < weight.rows * weight.cols; ++i) {
      const double value = element_as_double(*plain, i);
      ASSERT_NEAR(element_as_double(decoded.values, i), value, std::fabs(value) / 15 + 1e-5)
          << weight.module << " at " << i;
    }
  }
}

}  // namespace
}  // namespace requant
