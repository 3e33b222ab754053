#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

#include "codec/codec.h"
#include "quant/testing.h"
#include "tensor/float_formats.h"

// What the tests of MLX's codecs share.
namespace requant::testing_support {

// A tensor whose dtype has numpy's name.
inline Tensor numpy_tensor(const Json& json) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"uint32", "U32"}, {"uint8", "U8"}, {"float16", "F16"}};
  Json named = json;
  for (const auto& [numpy, name] : kNames) {
    if (json.find("dtype")->as_string() == numpy) named.set("dtype", name);
  }
  return tensor_in(named);
}

// The weight in F16, in which MLX rounds the product and then the sum.
inline std::vector<float> as_mlx_multiplies(const QuantizedWeight& w) {
  std::vector<float> values = values_of(w);
  const auto rounded = [](double value) {
    return f16_to_f32(f32_to_f16(static_cast<float>(value)));
  };
  for (std::int64_t i = 0; i < w.rows * w.cols; ++i) {
    float& value = values[static_cast<std::size_t>(i)];
    if (w.scheme.offset == Offset::kMinimum) {
      const std::int64_t cell = w.scheme.grid.index(i / w.cols, i % w.cols, w.rows, w.cols);
      const double product = element_as_double(w.codes, i) * element_as_double(w.scales, cell);
      const double minimum = element_as_double(w.minima, cell);
      EXPECT_EQ(static_cast<float>(product + minimum), value);
      value = rounded(rounded(product) + minimum);
    }
  }
  return values;
}

// An entry of tests/data/vectors/mlx.json decodes to what MLX makes of it, and is encoded to the
// same bytes.
inline void expect_mlx_vector(const Codec& codec, std::string_view name, const Scheme& declared,
                              std::string_view description) {
  SCOPED_TRACE(name);
  const Json file = vectors("mlx");
  const Json& entry = *file.find(name);
  WeightParts parts;
  for (const auto& [suffix, tensor] : entry.find("tensors")->members()) {
    parts.emplace(suffix, numpy_tensor(tensor));
  }
  const auto scheme = codec.scheme_of(parts, declared);
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), description);
  const auto weight = codec.decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const std::vector<float> values = as_mlx_multiplies(*weight);
  const auto& expected = entry.find("dequant")->items();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(double{values[i]}, expected[i].as_double()) << "at " << i;
  }
  const auto back = codec.encode(*weight);
  ASSERT_TRUE(back) << back.error().message();
  for (const auto& [suffix, tensor] : parts) {
    EXPECT_TRUE(same_bits(back->at(suffix), tensor)) << suffix;
  }
}

}  // namespace requant::testing_support
