#include "dialect/ct_preset.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

std::string preset(std::string_view name) {
  const auto found = ct_preset(name);
  if (!found) return "none";
  return found->quantises ? describe(found->scheme) : "unquantised";
}

TEST(CtPreset, HasTheSchemesOfTheLibrary) {
  EXPECT_EQ(preset("W8A8"), "int8 per channel, scale F32, activations int8 dynamic per token");
  EXPECT_EQ(preset("W4A16"), "int4 per group 128, scale F32");
  EXPECT_EQ(preset("W4A16_ASYM"), "int4 per group 128, scale F32, zero points");
  EXPECT_EQ(preset("W4A8"), "int4 per group 128, scale F32, activations int8 dynamic per token");
  EXPECT_EQ(preset("w4afp8"),
            "int4 per group 128, scale F32, activations e4m3fn dynamic per token");
  EXPECT_EQ(preset("FP8"), "e4m3fn per tensor, scale F32, activations e4m3fn static per tensor");
  EXPECT_EQ(preset("FP8_BLOCK"),
            "e4m3fn per block 128x128, scale F32, activations e4m3fn dynamic per group 128");
  EXPECT_EQ(preset("NVFP4"), "e2m1 per group 16, scale F32, activations e2m1 dynamic per group 16");
  EXPECT_EQ(preset("MXFP6A16"), "e2m3 per group 32, scale F32");
  EXPECT_EQ(preset("UNQUANTIZED"), "unquantised");
}

TEST(CtPreset, HasNoOthers) {
  for (const char* name : {"", "W9A16", "W1A16", "W8A4", "W4A12", "WxA16", "FP4", "W4A16X"}) {
    EXPECT_EQ(preset(name), "none") << name;
  }
}

}  // namespace
}  // namespace requant
