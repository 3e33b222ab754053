// The GGUF files of the corpus, against what gguf-py says of them and against the models that they
// were made from.

#include <gtest/gtest.h>

#include <cmath>

#include "base/hash.h"
#include "base/letter_case.h"
#include "checkpoint/checkpoint.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::corpus_folder;
using testing_support::data_dir;
using testing_support::read_file;

Json json_of(std::string_view name) {
  auto json = parse_json(read_file(data_dir() / name));
  EXPECT_TRUE(json) << name;
  return *std::move(json);
}

TEST(CorpusGguf, EveryTensorHasTheTypeOfTheTable) {
  const Json table = json_of("corpus/weights.json");
  for (const auto& [name, entry] : table.members()) {
    const Json* tensors = entry.find("tensors");
    if (tensors == nullptr || corpus_folder(name).empty()) continue;
    SCOPED_TRACE(name);
    const auto source = open_source(corpus_folder(name));
    ASSERT_TRUE(source) << source.error().message();
    EXPECT_EQ(source->tensors().size(), tensors->members().size());
    for (const auto& [tensor, type] : tensors->members()) {
      const TensorInfo* info = source->find(tensor);
      ASSERT_NE(info, nullptr) << tensor;
      const std::string_view found =
          info->encoding().empty() ? name_of(info->dtype) : info->encoding();
      EXPECT_EQ(found, *type.as_string()) << tensor;
    }
  }
}

TEST(CorpusGguf, EveryTensorDecodesToWhatGgufPyDecodesItTo) {
  const Json decoded = json_of("containers/gguf_corpus.json");
  for (const auto& [name, tensors] : decoded.members()) {
    if (corpus_folder(name).empty()) continue;
    SCOPED_TRACE(name);
    const auto source = open_source(corpus_folder(name));
    ASSERT_TRUE(source) << source.error().message();
    for (const auto& [tensor, entry] : tensors.members()) {
      const TensorInfo* info = source->find(tensor);
      ASSERT_NE(info, nullptr) << tensor;
      EXPECT_EQ(info->encoding(), *entry.find("type")->as_string());
      const Codec* codec = find_codec("gguf-" + to_lower(info->encoding()));
      ASSERT_NE(codec, nullptr) << info->encoding();
      const WeightParts parts = {{"weight", *source->read(*info)}};
      const auto quantized = codec->decode(parts, *codec->scheme_of(parts, {}));
      ASSERT_TRUE(quantized) << quantized.error().message();
      const auto values = dequantize(*quantized);
      ASSERT_TRUE(values) << values.error().message();
      EXPECT_EQ(sha256_hex(values->bytes.span()), *entry.find("sha256_f32")->as_string()) << tensor;
    }
  }
}

// The largest difference between a weight and its source, over the largest magnitude there.
double distance(const Checkpoint& checkpoint, const Weight& weight, const Tensor& plain) {
  const auto quantized = checkpoint.read(weight);
  EXPECT_TRUE(quantized) << quantized.error().message();
  const auto values = dequantize(*quantized);
  double largest = 0;
  double difference = 0;
  for (std::int64_t i = 0; i < plain.elements(); ++i) {
    const double value = element_as_double(plain, i);
    largest = std::max(largest, std::fabs(value));
    difference = std::max(difference, std::fabs(element_as_double(*values, i) - value));
  }
  return difference / largest;
}

struct Made {
  std::string_view from;
  double distance;  // of the type with the fewest bits in the file
};

// Under other names and with rows in another order no weight would be near its source.
TEST(CorpusGguf, EveryWeightIsNearTheOneOfThatNameThatItWasMadeFrom) {
  const std::map<std::string_view, Made> kMade = {
      {"llamacpp__q8_0__tiny_llama", {"tiny-llama", 0.005}},
      {"llamacpp__q6_k__tiny_llama", {"tiny-llama", 0.03}},
      {"llamacpp__q4_k_m__tiny_qwen3moe", {"tiny-qwen3moe", 0.1}}};
  for (const auto& [name, made] : kMade) {
    if (corpus_folder(name).empty()) continue;
    SCOPED_TRACE(name);
    const auto checkpoint = Checkpoint::open(corpus_folder(name));
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    EXPECT_TRUE(checkpoint->findings().empty()) << checkpoint->findings().front().message;
    const auto source = Checkpoint::open(corpus_folder(made.from));
    ASSERT_TRUE(source) << source.error().message();
    std::size_t compared = 0;
    for (const Weight& weight : checkpoint->weights()) {
      const TensorInfo* plain = source->source().find(weight.module + ".weight");
      if (plain == nullptr) continue;  // experts in one tensor: conversion tests
      EXPECT_LT(distance(*checkpoint, weight, *source->source().read(*plain)), made.distance)
          << weight.module;
      ++compared;
    }
    EXPECT_GE(compared, 10U);
  }
}

}  // namespace
}  // namespace requant
