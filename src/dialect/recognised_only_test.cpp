#include "dialect/recognised_only.h"

#include <gtest/gtest.h>

#include <set>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

Match match(std::string_view dialect, std::string_view config,
            const std::vector<FakeCheckpoint::Entry>& tensors) {
  const FakeCheckpoint fake(config, tensors);
  return find_dialect(dialect)->recognize(fake.facts()).match;
}

TEST(RecognisedOnly, TensorsOfItsOwnAreEnough) {
  EXPECT_EQ(
      match("exl2", "{}", {{"a.q_weight", DType::kI32, {8, 16}}, {"a.q_perm", DType::kI32, {64}}}),
      Match::kYes);
  EXPECT_EQ(
      match("bitsandbytes", "{}", {{"a.weight.quant_state.bitsandbytes__nf4", DType::kU8, {80}}}),
      Match::kYes);
}

TEST(RecognisedOnly, EachIsToldFromItsTensors) {
  const std::pair<std::string_view, std::vector<FakeCheckpoint::Entry>> kCases[] = {
      {"aqlm", {{"a.codes", DType::kI8, {8, 4, 1}}, {"a.codebooks", DType::kF16, {1, 256, 1, 8}}}},
      {"vptq", {{"a.indices", DType::kI32, {1, 8, 4}}, {"a.weight_scale", DType::kF16, {64}}}},
      {"higgs",
       {{"a.weight", DType::kI16, {4, 64}},
        {"a.scales", DType::kF16, {8, 1}},
        {"a.tables", DType::kF16, {16}}}},
      {"eetq", {{"a.weight", DType::kI8, {64, 8}}, {"a.weight_scales", DType::kF16, {8}}}},
      {"spqr", {{"a.dense_weights", DType::kI64, {8}}, {"a.row_offsets", DType::kI32, {9}}}},
      {"exl2", {{"a.q_weight", DType::kI32, {8, 8}}, {"a.q_scale", DType::kI32, {1, 1}}}},
      {"exl3", {{"a.trellis", DType::kI16, {4, 4, 64}}, {"a.suh", DType::kF16, {64}}}},
      {"bitnet", {{"a.weight", DType::kU8, {2, 64}}, {"a.weight_scale", DType::kBF16, {1}}}},
      {"quanto",
       {{"a.weight._data", DType::kI8, {8, 64}}, {"a.weight._scale", DType::kF32, {8, 1}}}}};
  for (const auto& [name, tensors] : kCases) {
    const FakeCheckpoint fake("{}", tensors);
    const Dialect* first = nullptr;
    for (const Dialect* dialect : dialects()) {
      const bool is_certain = dialect->recognize(fake.facts()).match == Match::kYes;
      if (first == nullptr && is_certain) first = dialect;
    }
    ASSERT_NE(first, nullptr) << name;
    EXPECT_EQ(first->name, name);
    // One line, which says what is missing.
    const auto refusal = first->resolve(fake.facts());
    ASSERT_FALSE(refusal) << name;
    EXPECT_NE(refusal.error().message().find("cannot be read yet: "), std::string::npos) << name;
  }
}

TEST(RecognisedOnly, SharedTensorsNeedTheConfigsWord) {
  const std::vector<FakeCheckpoint::Entry> fp8 = {{"a.weight", DType::kF8E4M3, {8, 4}},
                                                  {"a.weight_scale", DType::kF32, {8, 1}}};
  EXPECT_EQ(match("quark", "{}", fp8), Match::kNo);
  EXPECT_EQ(match("quark", R"({"quantization_config":{"quant_method":"quark"}})", fp8),
            Match::kYes);
}

TEST(RecognisedOnly, IsRefusedByName) {
  for (const Dialect* dialect : recognised_only()) {
    const FakeCheckpoint fake("{}", {});
    const auto resolution = dialect->resolve(fake.facts());
    ASSERT_FALSE(resolution);
    EXPECT_EQ(resolution.error().code(), ErrorCode::kRefused);
    EXPECT_NE(resolution.error().message().find(dialect->name), std::string::npos);
  }
}

TEST(Dialects, HaveNamesOfTheirOwnAndSources) {
  std::set<std::string_view> names;
  for (const Dialect* dialect : dialects()) {
    EXPECT_TRUE(names.insert(dialect->name).second) << dialect->name;
    EXPECT_FALSE(dialect->source.empty()) << dialect->name;
    EXPECT_FALSE(dialect->long_name.empty()) << dialect->name;
    EXPECT_EQ(find_dialect(dialect->name), dialect);
  }
}

}  // namespace
}  // namespace requant
