// Row by row what docs/conversions.md says, on checkpoints that other tools wrote: exact, or
// refused without leave for the losses named, and with it changed by what the receipt says.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "plan/receipt.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::different_tensors;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;

struct Row {
  const char* from;       // a folder of the corpus
  const char* to;         // as --to has it
  const char* losses;     // "" exact; "a,b": refused without leave for them
  const char* back = "";  // and exact back to this
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.from << " to " << row.to;
}

class Conversions : public testing::TestWithParam<Row> {
 protected:
  TemporaryFolder work_;
};

// What the receipt says was changed in a weight.
struct Told {
  std::uint64_t elements = 0;
  double max_relative = 0;
};

std::map<std::string, Told> told_by(const fs::path& folder) {
  std::map<std::string, Told> told;
  const auto receipt = parse_json(read_file(folder / std::string(kReceiptName)));
  for (const Json& tensor : receipt->find("tensors")->items()) {
    const Json* difference = tensor.find("difference");
    if (difference == nullptr) continue;
    const std::string name(*tensor.find("name")->as_string());
    told[name.substr(0, name.rfind('.'))] = {
        static_cast<std::uint64_t>(*difference->find("elements")->as_int()),
        *difference->find("max_relative")->as_double()};
  }
  return told;
}

void expect_told_is_measured(const fs::path& from, const fs::path& out) {
  const auto told = told_by(out);
  const auto first = Checkpoint::open(from);
  const auto second = Checkpoint::open(out);
  ASSERT_TRUE(first && second);
  const auto pairs = verify(*first, *second, {});
  ASSERT_TRUE(pairs) << pairs.error().message();
  std::uint64_t changed = 0;
  for (const PairReport& pair : *pairs) {
    if (pair.status == PairStatus::kOnlyInFirst) {
      EXPECT_TRUE(is_kv_scale(pair.name)) << pair.name;
      continue;
    }
    const auto entry = told.find(pair.name);
    const Told expected = entry == told.end() ? Told{} : entry->second;
    EXPECT_EQ(pair.elements, expected.elements) << pair.name;
    EXPECT_EQ(pair.max_relative, expected.max_relative) << pair.name;
    changed += pair.elements;
  }
  std::uint64_t summed = 0;
  for (const auto& [name, one] : told) summed += one.elements;
  EXPECT_EQ(changed, summed);
}

TEST_P(Conversions, AreAsTheTableSays) {
  const Row row = GetParam();
  const fs::path from = corpus_folder(row.from);
  std::vector<std::string> losses;
  for (const std::string_view loss : split(row.losses, ',')) {
    if (!loss.empty()) losses.emplace_back(loss);
  }
  auto done = convert_folder(from, work_ / "out", {.to = row.to});
  if (losses.empty()) {
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(from, work_ / "out"), testing::IsEmpty());
  } else {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), ErrorCode::kRefused) << done.error().message();
    EXPECT_FALSE(fs::exists(work_ / "out"));
    const auto named = std::ranges::any_of(losses, [&](const std::string& loss) {
      return done.error().message().find("--allow " + loss) != std::string::npos;
    });
    EXPECT_TRUE(named) << done.error().message();
    done = convert_folder(from, work_ / "out", {.to = row.to, .allow = losses});
    ASSERT_TRUE(done) << done.error().message();
    std::vector<std::string> taken;
    for (const LossSummary& loss : done->losses) taken.emplace_back(name_of(loss.loss));
    EXPECT_EQ(taken, losses);
    expect_told_is_measured(from, work_ / "out");
  }
  if (std::string_view(row.back).empty()) return;
  const auto returned = convert_folder(work_ / "out", work_ / "back", {.to = row.back});
  ASSERT_TRUE(returned) << returned.error().message();
  EXPECT_THAT(mismatches(from, work_ / "back"), testing::IsEmpty());
}

constexpr auto kRows = std::to_array<Row>({
    // integers: AWQ, GPTQ, compressed-tensors, ModelOpt
    {"autoawq__gemm-w4g128__tiny_llama", "compressed-tensors", "", "awq"},
    {"autoawq__gemm-w4g128__tiny_llama", "gptq", "", "awq"},
    {"llmcompressor__W4A16_ASYM__tiny_llama", "awq", "", "compressed-tensors"},
    {"llmcompressor__W4A16_ASYM__tiny_llama", "gptq", "", "compressed-tensors"},
    {"llmcompressor__W4A16-g128__tiny_llama", "awq", "", "compressed-tensors"},
    {"llmcompressor__W4A16-g128__tiny_llama", "modelopt", "", "compressed-tensors"},
    {"quark__int4_wo_128__tiny_llama", "awq", "", "compressed-tensors"},
    {"autogptq0.7.1__w4g128-asym-descact__tiny_llama", "compressed-tensors", "", "gptq"},
    {"autogptq0.7.1__w4g128-asym-descact__tiny_llama", "awq", "requantise"},
    {"autoawq__gemm-w4g128__tiny_llama", "modelopt", "requantise"},
    {"llmcompressor__W4A16-g128__tiny_llama", "awq:w4a16-g32", "", "compressed-tensors"},
    {"llmcompressor__W4A16-channel__tiny_llama", "compressed-tensors:w4a16-g32", ""},
    {"llmcompressor__W4A16-g32__tiny_qwen3moe", "compressed-tensors:w4a16-g64", "requantise"},
    {"llmcompressor__W3A16-g128__tiny_llama", "awq", "", "compressed-tensors"},
    {"llmcompressor__W4A16_ASYM__tiny_llama", "compressed-tensors:w8a16-g128", ""},
    {"llmcompressor__W4A16_ASYM__tiny_llama", "compressed-tensors:w8a16-g128-sym", ""},
    {"llmcompressor__W8A8__tiny_llama", "lmdeploy", "", "compressed-tensors"},
    {"lmdeploy__sq-int8-v072__tiny-internvl25", "compressed-tensors", "", "lmdeploy"},
    {"bnb__int8__tiny_llama", "compressed-tensors", "scale-rounding"},
    {"bnb__int8__tiny_llama", "lmdeploy", "scale-rounding"},
    {"llmcompressor__W4AFP8__tiny_llama", "awq", "activations-dropped"},
    {"llmcompressor__W8A8-asym-static__tiny_llama", "lmdeploy", "activations-changed"},
    // fp8: tensor, channel, block
    {"llmcompressor__FP8__tiny_llama", "fp8", "", "compressed-tensors"},
    {"llmcompressor__FP8__tiny_llama", "modelopt", "", "compressed-tensors"},
    {"modelopt__FP8__tiny_llama", "compressed-tensors", "", "modelopt"},
    {"modelopt__FP8__tiny_llama", "fp8", "", "modelopt"},
    {"llmcompressor__FP8__tiny_llama", "compressed-tensors:fp8-channel", ""},
    {"llmcompressor__FP8__tiny_llama", "compressed-tensors:fp8-block", ""},
    {"llmcompressor__FP8_DYNAMIC__tiny_llama", "fbgemm_fp8", "", "compressed-tensors"},
    {"llmcompressor__FP8_DYNAMIC__tiny_llama", "fp8", "requantise"},
    {"llmcompressor__FP8_BLOCK__tiny_llama", "compressed-tensors:fp8-channel", "requantise"},
    {"llmcompressor__FP8_BLOCK__tiny_llama", "compressed-tensors:fp8-tensor", "requantise"},
    {"llmcompressor__FP8_BLOCK__tiny_llama", "fp8", "", "compressed-tensors"},
    {"transformers__finegrained_fp8__tiny_llama", "compressed-tensors", "", "fp8"},
    {"transformers__finegrained_fp8-ue8m0__tiny_llama", "compressed-tensors", "", "fp8"},
    {"transformers__finegrained_fp8__tiny_llama", "modelopt", "activations-dropped"},
    {"modelopt__FP8_PB_WO__tiny_llama", "compressed-tensors", "", "modelopt"},
    {"modelopt__FP8_PB_WO__tiny_llama", "fp8", "activations-changed"},
    {"gptqmodel__fp8-row__tiny_llama", "compressed-tensors", "scale-rounding"},
    {"transformers__finegrained_fp8__tiny_llama", "fp8:e4m3fnuz", "", "compressed-tensors"},
    {"llmcompressor__FP8__tiny_llama", "fp8:e4m3fnuz", "", "compressed-tensors"},
    {"lmdeploy__sq-e5m2-v072__tiny-llama", "compressed-tensors",
     "code-rounding,activations-changed"},
    {"llmcompressor__FP8-KV__tiny_llama", "modelopt", "", "compressed-tensors"},
    {"modelopt__FP8-KV__tiny_llama", "compressed-tensors", "", "modelopt"},
    {"modelopt__FP8-KV__tiny_llama", "fp8", "", "modelopt"},
    {"llmcompressor__FP8-KV__tiny_llama", "lmdeploy", "activations-changed,kv-scales-dropped"},
    // microscaling and NVFP4
    {"llmcompressor__MXFP4__tiny_llama", "modelopt", "", "compressed-tensors"},
    {"modelopt__MXFP4__tiny_llama", "compressed-tensors", "", "modelopt"},
    {"quark__mxfp4__tiny_llama", "modelopt", "", "compressed-tensors"},
    {"llmcompressor__MXFP8__tiny_llama", "modelopt", "", "compressed-tensors"},
    {"llmcompressor__MXFP8__tiny_llama", "fp8", "requantise"},
    {"llmcompressor__MXFP4__tiny_llama", "compressed-tensors:nvfp4", "activations-dropped"},
    {"llmcompressor__MXFP4__tiny_llama", "modelopt:nvfp4", "activations-dropped"},
    {"llmcompressor__NVFP4__tiny_llama", "modelopt", "scale-rounding"},
    {"modelopt__NVFP4__tiny_qwen3moe", "compressed-tensors", "scale-rounding"},
    {"modelopt__W4A16_NVFP4__tiny_llama", "compressed-tensors", "scale-rounding"},
    {"transformers__finegrained_fp8-ue8m0__tiny_llama", "compressed-tensors:mxfp8", ""},
    // factors of inputs
    {"modelopt__INT4_AWQ__tiny_llama", "dense:f32", ""},
    {"modelopt__INT8_SQ__tiny_llama", "dense:bf16", ""},
    {"modelopt__W4A8_AWQ__tiny_llama", "dense:bf16", ""},
    {"modelopt__INT4_AWQ__tiny_llama", "compressed-tensors:w4a16", "requantise"},
});

// Those whose checkpoint is at hand: the tree has a part of the corpus only.
std::vector<Row> rows() {
  std::vector<Row> found;
  std::ranges::copy_if(kRows, std::back_inserter(found),
                       [](const Row& row) { return !corpus_folder(row.from).empty(); });
  return found;
}

std::string name_of_row(const testing::TestParamInfo<Row>& row) {
  std::string name = std::string(row.param.from) + "_to_" + row.param.to;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Matrix, Conversions, testing::ValuesIn(rows()), name_of_row);

}  // namespace
}  // namespace requant
