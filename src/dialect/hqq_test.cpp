#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

const Dialect& dialect() { return *find_dialect("hqq"); }

const std::vector<FakeCheckpoint::Entry> kTensors = {
    {"model.layers.0.mlp.up_proj.W_q", DType::kU8, {8, 64}},
    {"model.layers.0.mlp.up_proj.scale", DType::kF16, {16, 1}},
    {"model.layers.0.mlp.up_proj.zero", DType::kF16, {16, 1}}};

TEST(HqqDialect, IsToldByItsTensors) {
  const FakeCheckpoint fake("{}", kTensors);
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  const FakeCheckpoint named(R"({"quantization_config":{"quant_method":"hqq"}})", {});
  EXPECT_EQ(dialect().recognize(named.facts()).match, Match::kMaybe);
}

TEST(HqqDialect, SaysWhyHqqsOwnFilesCannotBeRead) {
  const FakeCheckpoint fake("{}", kTensors, "pytorch");
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().code(), ErrorCode::kRefused);
  EXPECT_NE(resolution.error().message().find("Python object"), std::string::npos);
}

TEST(HqqDialect, RefusesAShapeOfAnotherKind) {
  auto entries = kTensors;
  entries.push_back({"model.layers.0.mlp.up_proj.shape", DType::kF32, {2}});
  const FakeCheckpoint fake("{}", entries);
  EXPECT_FALSE(dialect().resolve(fake.facts()));
}

}  // namespace
}  // namespace requant
