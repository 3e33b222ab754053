#include "plan/scheme_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace requant {
namespace {

Scheme scheme_of(std::string_view text) {
  const auto request = parse_scheme(text);
  EXPECT_TRUE(request) << request.error().message();
  return request ? request->scheme : Scheme();
}

TEST(SchemeName, EveryNameParses) {
  for (const SchemeName& named : scheme_names()) EXPECT_TRUE(parse_scheme(named.name));
}

TEST(SchemeName, WordsChangeGridAndOffset) {
  EXPECT_EQ(scheme_of("w4a16").grid, Grid::group(128));
  EXPECT_EQ(scheme_of("w4a16-g32-asym").grid, Grid::group(32));
  EXPECT_EQ(scheme_of("w4a16-g32-asym").offset, Offset::kZero);
  EXPECT_EQ(scheme_of("w8a16-channel").grid, Grid::channel());
  EXPECT_EQ(scheme_of("fp8-tensor").grid, Grid::tensor());
  EXPECT_EQ(scheme_of("fp8-block").grid, Grid::block(128, 128));
  EXPECT_EQ(scheme_of("fp8-block").activations.group, 128);
  EXPECT_TRUE(scheme_of("nvfp4").outer);
  EXPECT_EQ(scheme_of("mxfp8").scale_dtype, DType::kF8E8M0);
  EXPECT_EQ(scheme_of("fp8-block-ue8m0").scale_dtype, DType::kF8E8M0);
  EXPECT_EQ(scheme_of("mxfp6-e2m3").element, Element::kE2M3);
}

TEST(SchemeName, WordsFixTheScales) {
  EXPECT_EQ(scheme_of("w8a8-bf16").scale_dtype, DType::kBF16);
  Scheme scheme = scheme_of("w4a16-f16");
  EXPECT_TRUE(satisfies(scheme, *parse_scheme("w4a16-f16")));
  scheme.scale_dtype = DType::kBF16;
  EXPECT_FALSE(satisfies(scheme, *parse_scheme("w4a16-f16")));
  EXPECT_TRUE(satisfies(scheme, *parse_scheme("w4a16")));
}

TEST(SchemeName, WordsMakeActivationsStatic) {
  EXPECT_EQ(scheme_of("fp8-tensor-static").activations,
            Activations::static_tensor(Element::kE4M3Fn));
  EXPECT_EQ(scheme_of("w8a8-static").activations, Activations::static_tensor(Element::kInt));
  EXPECT_EQ(scheme_of("nvfp4-static").activations.group, 16);
  EXPECT_EQ(scheme_of("nvfp4a16").activations, Activations::none());
}

TEST(SchemeName, WordsShapeFlatBlocks) {
  EXPECT_EQ(describe(scheme_of("nf4")), "nf4 per flat 64, scale F32");
  EXPECT_EQ(describe(scheme_of("fp4-g128")), "fp4 per flat 128, scale F32");
  EXPECT_EQ(describe(scheme_of("nf4-nested")),
            "nf4 per flat 64, scale U8, outer scale F32 per flat 16384");
}

TEST(SchemeName, RefusesWhatMakesNoSense) {
  for (const char* text :
       {"", "w4", "int9", "w4a16-g0", "w4a16-gx", "fp8-asym", "mxfp4-g16", "nvfp4-channel",
        "w4a16-", "nf4-asym", "nf4-nested-nested", "fp4-channel", "w8a16-static", "mxfp4-static",
        "int8-ue8m0", "fp8-ue8m0", "nf4-static", "mxfp4-bf16", "nf4-f16"}) {
    const auto request = parse_scheme(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().code(), ErrorCode::kUsage);
  }
}

TEST(SchemeName, OnlyWhatWasSaidHasToBeThere) {
  Scheme scheme = scheme_of("int8");
  scheme.activations = Activations::none();
  scheme.grid = Grid::group(64);
  EXPECT_TRUE(satisfies(scheme, *parse_scheme("int8")));
  EXPECT_TRUE(satisfies(scheme, *parse_scheme("w8a16")));
  EXPECT_FALSE(satisfies(scheme, *parse_scheme("w8a8")));
  EXPECT_FALSE(satisfies(scheme, *parse_scheme("w8a16-channel")));
  EXPECT_FALSE(satisfies(scheme, *parse_scheme("w8a16-asym")));
  EXPECT_FALSE(satisfies(scheme, *parse_scheme("fp8")));
}

TEST(SchemeNames, IncludeTheBlockTypesOfGgml) {
  const auto q4_1 = parse_scheme("q4_1");
  ASSERT_TRUE(q4_1) << q4_1.error().message();
  EXPECT_EQ(describe(q4_1->scheme), "int4 per group 32, scale F16, minima");
  EXPECT_TRUE(satisfies(q4_1->scheme, *q4_1));
  EXPECT_FALSE(satisfies(parse_scheme("q4_0")->scheme, *q4_1));
  EXPECT_FALSE(satisfies(parse_scheme("q5_1")->scheme, *q4_1));
  EXPECT_FALSE(satisfies(parse_scheme("q4_k")->scheme, *q4_1));
  EXPECT_FALSE(parse_scheme("q4_2"));
  EXPECT_FALSE(parse_scheme("Q4_1"));
}

}  // namespace
}  // namespace requant
