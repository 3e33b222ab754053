// What the bytes of zero points and groups show, against what a config says of them.
#include "dialect/gptq_reading.h"

#include <gtest/gtest.h>

#include <map>

#include "container/writer.h"
#include "dialect/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::has_rule;
using testing_support::random_weight;
using testing_support::TemporaryFolder;

constexpr std::string_view kModule = "model.layers.0.mlp.up_proj";

// The parts of one weight in a file, and how a config makes the dialect read them.
Resolution resolved(std::string_view dialect, const std::string& config_text,
                    const WeightParts& parts) {
  const TemporaryFolder folder;
  std::vector<PlannedTensor> planned;
  const auto name_of_part = [](const std::string& suffix) {
    return std::string(kModule) + "." + suffix;
  };
  for (const auto& [suffix, tensor] : parts) {
    planned.push_back({name_of_part(suffix), tensor.dtype, tensor.shape});
  }
  auto writer = SafetensorsWriter::create(folder / "model.safetensors", planned, {});
  EXPECT_TRUE(writer) << writer.error().message();
  for (const auto& [suffix, tensor] : parts) {
    EXPECT_TRUE(writer->fill(name_of_part(suffix), 0, tensor.bytes.span()));
  }
  EXPECT_TRUE(writer->finish());
  const auto source = open_source(folder / "model.safetensors");
  EXPECT_TRUE(source) << source.error().message();
  const auto config = parse_json(config_text);
  EXPECT_TRUE(config);
  const Architecture architecture = Architecture::of(*config);
  const std::map<std::string, Json> side;
  const Facts facts(*config, *source, architecture, side);
  auto resolution = find_dialect(dialect)->resolve(facts);
  EXPECT_TRUE(resolution) << resolution.error().message();
  if (!resolution) return {};
  // The tensors go with the folder.
  for (Weight& weight : resolution->weights) weight.parts.clear();
  return *std::move(resolution);
}

std::string config(std::string_view fields) {
  return R"({"quantization_config":{"quant_method":"gptq","group_size":32)" + std::string(fields) +
         "}}";
}

Scheme scheme_of(int bits, Offset offset, bool permuted = false) {
  return {.bits = bits,
          .grid = Grid::group(32),
          .scale_dtype = DType::kF16,
          .offset = offset,
          .permuted = permuted};
}

WeightParts parts_of(std::string_view codec, const Scheme& scheme) {
  return *find_codec(codec)->encode(random_weight(scheme, 32, 64));
}

TEST(GptqReading, BelievesSymmetricZeroPointsMoreThanTheConfig) {
  const WeightParts v2 = parts_of("gptq-v2", scheme_of(4, Offset::kNone));
  const auto wrong =
      resolved("gptq", config(R"(,"bits":4,"sym":true,"checkpoint_format":"gptq")"), v2);
  EXPECT_EQ(wrong.weights.at(0).codec->name, "gptq-v2");
  EXPECT_TRUE(has_rule(wrong.findings, "gptq.zero-version"));
  const auto right =
      resolved("gptq", config(R"(,"bits":4,"sym":true,"checkpoint_format":"gptq_v2")"), v2);
  EXPECT_EQ(right.weights.at(0).codec->name, "gptq-v2");
  EXPECT_FALSE(has_rule(right.findings, "gptq.zero-version"));
  const WeightParts v1 = parts_of("gptq", scheme_of(8, Offset::kNone));
  EXPECT_EQ(resolved("gptq", config(R"(,"bits":8,"sym":true,"checkpoint_format":"gptq_v2")"), v1)
                .weights.at(0)
                .codec->name,
            "gptq");
}

TEST(GptqReading, TellsTheTwoKindsOfThreeBitsApart) {
  const auto codec = [](std::string_view written, std::string_view fields) {
    const WeightParts parts = parts_of(written, scheme_of(3, Offset::kNone));
    return resolved("gptq", config(R"(,"bits":3,"sym":true)" + std::string(fields)), parts)
        .weights.at(0)
        .codec->name;
  };
  constexpr std::string_view kGptqModel =
      R"(,"checkpoint_format":"gptq","meta":{"quantizer":["gptqmodel:7.7.0"]})";
  EXPECT_EQ(codec("gptq-words", kGptqModel), "gptq-words");
  EXPECT_EQ(codec("gptq", kGptqModel), "gptq");
  EXPECT_EQ(codec("gptq", ""), "gptq");
  EXPECT_EQ(codec("gptq-words", ""), "gptq-words");
  EXPECT_EQ(codec("gptq-p", R"(,"checkpoint_format":"gptq_p")"), "gptq-p");
  EXPECT_EQ(codec("gptq-p", R"(,"checkpoint_format":"gptq")"), "gptq-p");
}

TEST(GptqReading, DoesNotBelieveSymWhereZeroPointsDiffer) {
  const WeightParts parts = parts_of("gptq-v2", scheme_of(4, Offset::kZero));
  const auto resolution =
      resolved("gptq", config(R"(,"bits":4,"sym":true,"checkpoint_format":"gptq_v2")"), parts);
  EXPECT_EQ(resolution.weights.at(0).scheme.offset, Offset::kZero);
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.sym-flag"));
}

TEST(GptqReading, SaysThatAZeroPointOf0IsStoredInTwoWays) {
  const WeightParts parts = parts_of("gptq-words", scheme_of(4, Offset::kZero));
  const auto resolution = resolved(
      "gptq",
      config(
          R"(,"bits":4,"sym":false,"checkpoint_format":"gptq","meta":{"quantizer":["gptqmodel:7"]})"),
      parts);
  EXPECT_EQ(resolution.weights.at(0).codec->name, "gptq-words");
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.zero-of-zero"));
}

TEST(GptqReading, DoesNotBelieveThatGroupsAreInOrder) {
  const WeightParts parts = parts_of("gptq-v2", scheme_of(4, Offset::kNone, true));
  const auto resolution = resolved(
      "gptq", config(R"(,"bits":4,"sym":true,"desc_act":false,"checkpoint_format":"gptq_v2")"),
      parts);
  EXPECT_TRUE(resolution.weights.at(0).scheme.permuted);
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.desc-act"));
  const WeightParts plain = parts_of("gptq-v2", scheme_of(4, Offset::kNone));
  EXPECT_FALSE(has_rule(
      resolved("gptq",
               config(R"(,"bits":4,"sym":true,"desc_act":false,"checkpoint_format":"gptq_v2")"),
               plain)
          .findings,
      "gptq.desc-act"));
}

TEST(GptqReading, HoldsForAutoRoundToo) {
  WeightParts parts = parts_of("gptq", scheme_of(4, Offset::kNone));
  parts.erase("g_idx");
  const auto resolution = resolved(
      "auto-round",
      R"({"quantization_config":{"quant_method":"auto-round","bits":4,"group_size":32,"sym":true,
          "packing_format":"auto_round"}})",
      parts);
  EXPECT_EQ(resolution.weights.at(0).codec->name, "gptq");
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.zero-version"));
}

TEST(AwqDialect, SeesThatZeroPointsAreSymmetric) {
  const std::string config = R"({"quantization_config":{"quant_method":"awq","version":"gemm",
                                 "bits":4,"group_size":32,"zero_point":true}})";
  const auto symmetric = resolved("awq", config, parts_of("awq-gemm", scheme_of(4, Offset::kNone)));
  EXPECT_EQ(symmetric.weights.at(0).scheme.offset, Offset::kNone);
  EXPECT_TRUE(symmetric.findings.empty());
  const auto asymmetric =
      resolved("awq", config, parts_of("awq-gemm", scheme_of(4, Offset::kZero)));
  EXPECT_EQ(asymmetric.weights.at(0).scheme.offset, Offset::kZero);
}

TEST(HqqDialect, ReadsTheShapeFromItsTensor) {
  const auto resolution =
      resolved("hqq", "{}",
               {{"W_q", testing_support::u8({4, 8}, std::vector<std::uint8_t>(32, 7))},
                {"scale", testing_support::f32({8, 1}, std::vector<float>(8, 1))},
                {"zero", testing_support::f32({8, 1}, std::vector<float>(8, 3))},
                {"shape", testing_support::tensor_of<std::int64_t>(DType::kI64, {2}, {4, 16})}});
  EXPECT_EQ(resolution.weights.at(0).rows, 4);
  EXPECT_EQ(resolution.weights.at(0).cols, 16);
  EXPECT_EQ(resolution.weights.at(0).scheme.bits, 4);
}

}  // namespace
}  // namespace requant
