#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

const Dialect& dialect() { return *find_dialect("torchao"); }

std::vector<FakeCheckpoint::Entry> tensors() {
  return {{"a._weight_qdata", DType::kI8, {8, 64}},
          {"a._weight_scale", DType::kBF16, {8, 2}},
          {"a._weight_zero_point", DType::kI8, {8, 2}}};
}

// The corpus has files with metadata; these have none.
TEST(TorchaoDialect, IsToldByItsTensors) {
  const FakeCheckpoint fake("{}", tensors());
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
}

TEST(TorchaoDialect, NeedsTheMetadata) {
  const FakeCheckpoint fake("{}", tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().message(), "the files' metadata has nothing for a.weight");
}

TEST(TorchaoDialect, RefusesPickledObjects) {
  const FakeCheckpoint fake(R"({"quantization_config":{"quant_method":"torchao"}})",
                            {{"a.weight", DType::kBF16, {8, 64}}}, "pytorch");
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kMaybe);
  EXPECT_EQ(dialect().resolve(fake.facts()).error().code(), ErrorCode::kRefused);
}

TEST(TorchaoDialect, NamesAScaleWithoutCodes) {
  const FakeCheckpoint fake("{}", {{"a._weight_scale", DType::kBF16, {8, 2}}});
  EXPECT_EQ(dialect().resolve(fake.facts()).error().message(),
            "a._weight_scale is BF16 [8, 2], and there is no _weight_qdata beside it");
}

}  // namespace
}  // namespace requant
