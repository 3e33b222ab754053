#include "engine/pins.h"

#include <gtest/gtest.h>

#include <vector>

namespace requant {
namespace {

std::optional<int> major_of(std::vector<std::string> pins) { return transformers_major_of(pins); }

TEST(Pins, AnUpperBoundBelowFiveMeansFour) {
  EXPECT_EQ(major_of({"torch==2.9.0", "transformers<5,>=4.56.0"}), 4);
  EXPECT_EQ(major_of({"transformers==4.57.1"}), 4);
  EXPECT_EQ(major_of({"transformers==4.51.1; extra == \"runtime-common\""}), 4);
}

TEST(Pins, ALowerBoundOfFiveMeansFive) {
  EXPECT_EQ(major_of({"transformers>=5.5.3"}), 5);
  EXPECT_EQ(major_of({"transformers<5.20.0,>=5.16.1"}), 5);
}

TEST(Pins, WhatLeavesBothIsNotKnown) {
  EXPECT_EQ(major_of({"transformers>=4.48.2"}), std::nullopt);
  EXPECT_EQ(major_of({"transformers!=5.0.*,!=5.1.*,!=5.5.0,>=4.56.0"}), std::nullopt);
  EXPECT_EQ(major_of({"transformers"}), std::nullopt);
  EXPECT_EQ(major_of({"transformers-stream-generator ; extra == 'all'"}), std::nullopt);
  EXPECT_EQ(major_of({}), std::nullopt);
}

}  // namespace
}  // namespace requant
