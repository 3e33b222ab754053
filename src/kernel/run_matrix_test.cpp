#include "kernel/run_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "quant/testing.h"

namespace requant::kernel {
namespace {

using testing_support::random_weight;

// Every row against dequantize(), as far as F32 goes.
void expect_same(const QuantizedWeight& weight, const std::string& what) {
  const auto matrix = RunMatrix::pack(weight);
  ASSERT_TRUE(matrix) << what << ": " << matrix.error().message();
  const auto expected = testing_support::values_of(weight);
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::fabs(value));
  std::vector<float> row(matrix->cols());
  for (std::size_t r = 0; r < matrix->rows(); ++r) {
    matrix->read(r, row);
    for (std::size_t c = 0; c < row.size(); ++c) {
      ASSERT_NEAR(row[c], expected[r * row.size() + c], 4e-7 * static_cast<double>(largest))
          << what << ": [" << r << ", " << c << "]";
    }
  }
}

TEST(RunMatrix, HoldsEverySchemeAsDequantizeHasIt) {
  for (const int bits : {2, 3, 4, 5, 8}) {
    for (const Grid grid :
         {Grid::tensor(), Grid::channel(), Grid::group(16), Grid::group(24), Grid::block(8, 16)}) {
      for (const Offset offset : {Offset::kNone, Offset::kZero, Offset::kMinimum}) {
        Scheme scheme;
        scheme.bits = bits;
        scheme.grid = grid;
        scheme.offset = offset;
        scheme.scale_dtype = DType::kF16;
        expect_same(random_weight(scheme, 20, 72), describe(scheme));
      }
    }
  }
  for (const Element element : {Element::kE2M1, Element::kE2M3, Element::kE3M2, Element::kE4M3Fn,
                                Element::kE5M2, Element::kE4M3Fnuz}) {
    Scheme scheme;
    scheme.element = element;
    scheme.bits = info(element).bits;
    scheme.grid = Grid::group(8);
    expect_same(random_weight(scheme, 9, 40), describe(scheme));
  }
}

TEST(RunMatrix, HoldsPermutedInputs) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = Grid::group(16);
  scheme.offset = Offset::kZero;
  scheme.permuted = true;
  expect_same(random_weight(scheme, 12, 64), describe(scheme));
}

TEST(RunMatrix, HoldsFlatGridsThatCrossRows) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = {.block_rows = 0, .block_cols = 64, .flat = true};
  expect_same(random_weight(scheme, 10, 72), describe(scheme));
}

TEST(RunMatrix, IsAsNarrowAsItsCodes) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = Grid::group(128);
  const auto matrix = RunMatrix::pack(random_weight(scheme, 16, 1024));
  ASSERT_TRUE(matrix);
  EXPECT_LE(matrix->bytes(), 16U * 1024 / 2 + 16 * 8 * 8);
}

TEST(RunMatrix, MultipliesAsTheSumsOfItsRows) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = Grid::group(16);
  scheme.permuted = true;
  const QuantizedWeight weight = random_weight(scheme, 13, 64);
  const auto matrix = RunMatrix::pack(weight);
  ASSERT_TRUE(matrix);
  const auto values = testing_support::values_of(weight);
  std::vector<float> inputs;
  for (int i = 0; i < 5 * 64; ++i) inputs.push_back(static_cast<float>(i * 37 % 101) / 50 - 1);
  std::vector<float> prepared(inputs.size());
  for (std::size_t t = 0; t < 5; ++t) {
    matrix->prepare(std::span(inputs).subspan(t * 64, 64), std::span(prepared).subspan(t * 64, 64));
  }
  std::vector<float> out(5 * 13);
  multiply(*matrix, prepared, 5, out.data(), 13);
  for (std::size_t t = 0; t < 5; ++t) {
    for (std::size_t r = 0; r < 13; ++r) {
      double sum = 0;
      double size = 0;
      for (std::size_t k = 0; k < 64; ++k) {
        const double product =
            static_cast<double>(values[r * 64 + k]) * static_cast<double>(inputs[t * 64 + k]);
        sum += product;
        size += std::fabs(product);
      }
      EXPECT_NEAR(out[t * 13 + r], sum, 1e-6 * size) << t << ", " << r;
    }
  }
}

}  // namespace
}  // namespace requant::kernel
