#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::tensor_in;
using testing_support::tensor_of;

const Codec& codec() { return *find_codec("hqq"); }

Tensor halves(std::size_t count, float value) {
  return tensor_of(DType::kF16, {static_cast<std::int64_t>(count), 1},
                   std::vector<std::uint16_t>(count, f32_to_f16(value)));
}

// An entry of the library's pack vectors with scales of 1/4 and zeros of 1.5.
WeightParts parts_of(const Json& entry) {
  const std::size_t rows = entry.find("codes")->items().size();
  const auto cols = static_cast<std::int64_t>(entry.find("codes")->items()[0].items().size());
  return {
      {"W_q", tensor_in(*entry.find("W_q"))},
      {"scale", halves(rows, 0.25F)},
      {"zero", halves(rows, 1.5F)},
      {"shape", tensor_of<std::int64_t>(DType::kI64, {2}, {static_cast<std::int64_t>(rows), cols})},
      {"axis", tensor_of<std::int32_t>(DType::kI32, {}, {1})}};
}

TEST(Hqq, ReadsWhatTheLibraryPacked) {
  const Json file = testing_support::vectors("misc");
  for (const int bits : {1, 2, 3, 4, 8}) {
    const Json& entry = *file.find("hqq_" + std::to_string(bits) + "bit");
    const WeightParts parts = parts_of(entry);
    const auto scheme = codec().scheme_of(parts, {});
    ASSERT_TRUE(scheme) << bits;
    EXPECT_EQ(scheme->bits, bits);
    const auto weight = codec().decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    const auto values = testing_support::values_of(*weight);
    std::size_t at = 0;
    for (const Json& row : entry.find("codes")->items()) {
      for (const Json& code : row.items()) {
        ASSERT_EQ(values[at], (static_cast<float>(*code.as_int()) - 1.5F) * 0.25F)
            << bits << " " << at;
        ++at;
      }
    }
  }
}

TEST(Hqq, ReadsGroupsOfARow) {
  const Json file = testing_support::vectors("misc");
  WeightParts parts = parts_of(*file.find("hqq_4bit"));
  parts["shape"] = tensor_of<std::int64_t>(DType::kI64, {2}, {2, 16});
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(weight->cols, 16);
  parts["shape"] = tensor_of<std::int64_t>(DType::kI64, {2}, {3, 16});
  EXPECT_FALSE(codec().decode(parts, *codec().scheme_of(parts, {})));
  parts["shape"] = tensor_of<std::int64_t>(DType::kI64, {2}, {-2, -16});
  EXPECT_FALSE(codec().decode(parts, *codec().scheme_of(parts, {})));
}

TEST(Hqq, RefusesTheOtherAxisAndEveryTruncation) {
  const Json file = testing_support::vectors("misc");
  const WeightParts parts = parts_of(*file.find("hqq_4bit"));
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  WeightParts other = parts;
  other["axis"] = tensor_of<std::int32_t>(DType::kI32, {}, {0});
  EXPECT_FALSE(codec().decode(other, *scheme));
  for (const auto& [name, tensor] : parts) {
    other = parts;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      other[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(other, *scheme)) << name << " cut to " << size;
    }
    other.erase(name);
    if (name != "axis") {
      EXPECT_FALSE(codec().decode(other, *scheme)) << "without " << name;
    }
  }
}

TEST(Hqq, RefusesAProductThatF32DoesNotHold) {
  const Json file = testing_support::vectors("misc");
  WeightParts parts = parts_of(*file.find("hqq_8bit"));
  parts["scale"] = tensor_of(DType::kF32, {8, 1}, std::vector<float>(8, 1.1F));
  parts["zero"] = tensor_of(DType::kF32, {8, 1}, std::vector<float>(8, 1.3F));
  EXPECT_FALSE(codec().decode(parts, *codec().scheme_of(parts, {})));
  parts["zero"] = tensor_of(DType::kF32, {8, 1}, std::vector<float>(8, 8));
  EXPECT_TRUE(codec().decode(parts, *codec().scheme_of(parts, {})));
}

}  // namespace
}  // namespace requant
