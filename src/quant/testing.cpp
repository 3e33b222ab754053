#include "quant/testing.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "support/support.h"

namespace requant::testing_support {

Json vectors(std::string_view name) {
  const auto path = data_dir() / "vectors" / (std::string(name) + ".json");
  auto json = parse_json(read_file(path));
  EXPECT_TRUE(json) << path;
  return json ? *std::move(json) : Json();
}

Tensor tensor_in(const Json& json) {
  const std::string bytes = from_hex(*json.find("hex_le")->as_string());
  Shape shape;
  for (const Json& extent : json.find("shape")->items()) shape.push_back(*extent.as_int());
  auto tensor = Tensor::make(*dtype_named(*json.find("dtype")->as_string()), shape,
                             *Bytes::copy_of(bytes_of(bytes)));
  EXPECT_TRUE(tensor);
  return *std::move(tensor);
}

Tensor tensor_in(const Json& entry, std::string_view name) {
  return tensor_in(*entry.find("tensors")->find(name));
}

std::vector<float> expected_values(const Json& entry) {
  const std::string bytes = from_hex(*entry.at({"dequant", "f32_hex_le"})->as_string());
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> values_of(const QuantizedWeight& weight) {
  const auto dense = dequantize(weight);
  EXPECT_TRUE(dense) << dense.error().message();
  if (!dense) return {};
  const auto values = dense->as<float>();
  return {values.begin(), values.end()};
}

}  // namespace requant::testing_support
