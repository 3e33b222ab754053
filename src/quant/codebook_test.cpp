#include "quant/codebook.h"

#include <gtest/gtest.h>

#include <vector>

#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

std::vector<float> stored(const std::string& type, const std::string& tensor) {
  const Json file = testing_support::vectors("bitsandbytes");
  const Tensor map = testing_support::tensor_in(*file.find(type), tensor);
  return {map.as<float>().begin(), map.as<float>().end()};
}

std::vector<float> named(std::string_view name) {
  const auto table = codebook_named(name);
  return {table.begin(), table.end()};
}

TEST(Codebook, HasTheTablesThatBitsandbytesStores) {
  EXPECT_EQ(named("nf4"), stored("nf4_b64", "weight.quant_map"));
  EXPECT_EQ(named("fp4"), stored("fp4_b64", "weight.quant_map"));
  EXPECT_EQ(named("dynamic8"), stored("nf4_nested_b64", "weight.nested_quant_map"));
}

TEST(Codebook, KnowsNoOtherNames) {
  EXPECT_TRUE(named("").empty());
  EXPECT_TRUE(named("nf5").empty());
}

}  // namespace
}  // namespace requant
