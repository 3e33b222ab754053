// Stacks of experts that ModelOpt wrote (tests/data/stacks).

#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "container/container.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing_support::convert_folder;
using testing_support::ConvertCall;
using testing_support::data_dir;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr auto kModule = "model.layers.0.feed_forward.experts";
constexpr std::int64_t kExperts = 2;
constexpr std::int64_t kHidden = 32;
constexpr std::int64_t kInner = 16;

// ModelOpt rounds the product of the two scales of NVFP4 to F32 before it multiplies: a step apart.
void expect_near(const Tensor& found, const Tensor& wanted) {
  ASSERT_EQ(found.shape, wanted.shape);
  for (std::int64_t i = 0; i < wanted.elements(); ++i) {
    const double value = element_as_double(wanted, i);
    ASSERT_NEAR(element_as_double(found, i), value, std::abs(value) * 1.2e-7) << i;
  }
}

class ModeloptStacks : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { source_ = data_dir() / "stacks" / GetParam(); }

  // What ModelOpt decodes a stack to, [experts, inputs, outputs] in F32.
  Tensor expected(const std::string& stack) const {
    const auto file = open_source(source_.string() + ".expected.safetensors");
    if (!file) return {};
    const TensorInfo* info = file->find(std::string(kModule) + "." + stack);
    return info == nullptr ? Tensor() : *file->read(*info);
  }

  fs::path source_;
  TemporaryFolder work_;
};

TEST_P(ModeloptStacks, AreWhatModelOptDecodesThemTo) {
  const auto report = convert_folder(source_, work_ / "dense", {.to = "dense:f32"});
  ASSERT_TRUE(report) << report.error().message();
  const auto dense = open_source(work_ / "dense");
  ASSERT_TRUE(dense) << dense.error().message();
  for (const char* stack : {"gate_up_proj", "down_proj"}) {
    const TensorInfo* info = dense->find(std::string(kModule) + "." + stack);
    ASSERT_NE(info, nullptr) << stack;
    expect_near(*dense->read(*info), expected(stack));
    EXPECT_EQ(dense->find(std::string(kModule) + "." + stack + "_weight_scale"), nullptr);
  }
}

TEST_P(ModeloptStacks, AreTakenApartForCompressedTensors) {
  ConvertCall call{.to = "compressed-tensors"};
  call.allow = {"scale-rounding"};
  const auto report = convert_folder(source_, work_ / "ct", call);
  ASSERT_TRUE(report) << report.error().message();
  const auto out = open_source(work_ / "ct");
  ASSERT_TRUE(out) << out.error().message();
  for (int expert = 0; expert < kExperts; ++expert) {
    const std::string module = std::string(kModule) + "." + std::to_string(expert) + ".";
    for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
      EXPECT_NE(out->find(module + name + ".weight_scale"), nullptr) << module << name;
    }
  }
  EXPECT_EQ(out->find(std::string(kModule) + ".gate_up_proj"), nullptr);
}

// The rows of one expert's matrix, from the result's own decode, against ModelOpt's.
TEST_P(ModeloptStacks, KeepTheirNumbersWhenTakenApart) {
  ConvertCall call{.to = "compressed-tensors"};
  call.allow = {"scale-rounding"};
  ASSERT_TRUE(convert_folder(source_, work_ / "ct", call));
  ASSERT_TRUE(convert_folder(work_ / "ct", work_ / "flat", {.to = "dense:f32"}));
  const auto flat = open_source(work_ / "flat");
  ASSERT_TRUE(flat) << flat.error().message();
  const Tensor whole = expected("gate_up_proj");
  ASSERT_EQ(whole.shape, (Shape{kExperts, kHidden, 2 * kInner}));
  for (std::int64_t expert = 0; expert < kExperts; ++expert) {
    const std::string module = std::string(kModule) + "." + std::to_string(expert) + ".";
    for (const std::string name : {"gate_proj", "up_proj"}) {
      const TensorInfo* info = flat->find(module + name + ".weight");
      ASSERT_NE(info, nullptr) << module << name;
      const Tensor matrix = *flat->read(*info);
      ASSERT_EQ(matrix.shape, (Shape{kInner, kHidden}));
      const std::int64_t first = name == "gate_proj" ? 0 : kInner;
      for (std::int64_t row = 0; row < kInner; ++row) {
        for (std::int64_t col = 0; col < kHidden; ++col) {
          const double wanted =
              element_as_double(whole, (expert * kHidden + col) * 2 * kInner + first + row);
          // The outer scale of NVFP4 becomes a divisor, which rounds.
          ASSERT_NEAR(element_as_double(matrix, row * kHidden + col), wanted,
                      std::abs(wanted) * 3e-7)
              << module << name << " " << row << " " << col;
        }
      }
    }
  }
}

TEST(StackOfCodes, IsNotPassedOnWhereNothingScalesIt) {
  const TemporaryFolder work;
  fs::copy(data_dir() / "stacks/modelopt_fp8", work / "source", fs::copy_options::recursive);
  fs::remove(work / "source/hf_quant_config.json");
  auto config = parse_json(read_file(work / "source/config.json"));
  ASSERT_TRUE(config);
  config->set("quantization_config",
              Json::object({{"quant_method", "fp8"}, {"activation_scheme", "static"}}));
  write_file(work / "source/config.json", config->dump(2));
  const auto report = convert_folder(work / "source", work / "out", {.to = "dense:f32"});
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message().find("experts.down_proj: is F8_E4M3, expected F32"),
            std::string::npos)
      << report.error().message();
}

INSTANTIATE_TEST_SUITE_P(Forms, ModeloptStacks, testing::Values("modelopt_fp8", "modelopt_nvfp4"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace requant
