#include "plan/harmony.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::convert_folder;
using testing_support::ConvertCall;
using testing_support::corpus_folder;
using testing_support::TemporaryFolder;

// Every value of a companion of the weights that engines load as one matrix, by the matrix.
std::map<std::string, std::set<double>> values_by_matrix(const fs::path& folder,
                                                         std::string_view suffix) {
  std::map<std::string, std::set<double>> values;
  const auto checkpoint = Checkpoint::open(folder);
  EXPECT_TRUE(checkpoint) << checkpoint.error().message();
  for (const Weight& weight : checkpoint->weights()) {
    for (const auto& [own, info] : weight.parts) {
      if (own != suffix) continue;
      const auto tensor = checkpoint->source().read(*info);
      values[weight.place.fused].insert(element_as_double(*tensor, 0));
    }
  }
  return values;
}

bool all_agree(const std::map<std::string, std::set<double>>& values) {
  return std::ranges::all_of(values, [](const auto& entry) { return entry.second.size() == 1; });
}

class Harmonise : public testing::Test {
 protected:
  TemporaryFolder work_;
};

// Scales of tensors, with those of inputs: the largest counts.
TEST_F(Harmonise, GivesFusedFp8TensorsTheLargestScale) {
  const fs::path folder = corpus_folder("llmcompressor__FP8__tiny_llama");
  if (folder.empty()) return;
  const auto before = values_by_matrix(folder, "weight_scale");
  ASSERT_FALSE(all_agree(before));
  const ConvertCall call{.to = "compressed-tensors", .harmonises_fused = true};
  const auto refused = convert_folder(folder, work_ / "out", call);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("--allow requantise"));
  ConvertCall allowed = call;
  allowed.allow = {"requantise", "activations-changed"};
  const auto done = convert_folder(folder, work_ / "out", allowed);
  ASSERT_TRUE(done) << done.error().message();
  const auto after = values_by_matrix(work_ / "out", "weight_scale");
  EXPECT_TRUE(all_agree(after));
  EXPECT_TRUE(all_agree(values_by_matrix(work_ / "out", "input_scale")));
  for (const auto& [matrix, values] : after)
    EXPECT_EQ(*values.begin(), *before.at(matrix).rbegin());
}

// What has the largest scale already keeps its bytes.
TEST_F(Harmonise, KeepsTheBytesOfTheMemberWithTheLargestScale) {
  const fs::path folder = corpus_folder("llmcompressor__FP8__tiny_llama");
  if (folder.empty()) return;
  ASSERT_TRUE(convert_folder(folder, work_ / "out",
                             {.to = "compressed-tensors",
                              .allow = {"requantise", "activations-changed"},
                              .harmonises_fused = true}));
  const auto largest = values_by_matrix(folder, "weight_scale");
  const auto source = Checkpoint::open(folder);
  const auto result = open_source(work_ / "out");
  ASSERT_TRUE(source && result);
  int kept = 0;
  int changed = 0;
  for (const Weight& weight : source->weights()) {
    const auto scale =
        source->source().read(*source->source().find(weight.module + ".weight_scale"));
    const TensorInfo* codes = source->source().find(weight.module + ".weight");
    const auto before = source->source().read(*codes);
    const auto after = result->read(*result->find(codes->name));
    const bool is_largest =
        element_as_double(*scale, 0) == *largest.at(weight.place.fused).rbegin();
    // Scales of others may be so near that no code moves.
    const bool stays = same_bits(*before, *after);
    EXPECT_TRUE(stays || !is_largest) << weight.module;
    kept += is_largest ? 1 : 0;
    changed += stays ? 0 : 1;
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(changed, 0);
}

// Sources whose outer scales agree already change nothing.
TEST_F(Harmonise, LeavesWhatAgreesAsItIs) {
  const fs::path folder = corpus_folder("llmcompressor__NVFP4__tiny_llama");
  if (folder.empty()) return;
  const auto done =
      convert_folder(folder, work_ / "out", {.to = "compressed-tensors", .harmonises_fused = true});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(done->losses.empty());
}

// MXFP4 has an outer scale for each weight once it is NVFP4; a second pass makes them one.
TEST_F(Harmonise, GivesFusedNvfp4OneOuterScale) {
  const fs::path folder = corpus_folder("modelopt__MXFP4__tiny_llama");
  if (folder.empty()) return;
  ASSERT_TRUE(convert_folder(folder, work_ / "nv",
                             {.to = "compressed-tensors:nvfp4", .allow = {"activations-dropped"}}));
  const auto done = convert_folder(
      work_ / "nv", work_ / "out",
      {.to = "compressed-tensors", .allow = {"scale-rounding"}, .harmonises_fused = true});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(all_agree(values_by_matrix(work_ / "out", "weight_global_scale")));
}

}  // namespace
}  // namespace requant
