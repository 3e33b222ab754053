#include "codec/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "quant/testing.h"

namespace requant {
namespace {

using testing::HasSubstr;
using testing_support::random_weight;
using testing_support::values_of;

Scheme scheme_of(Element element, int bits, const Grid& grid, DType scales,
                 Offset offset = Offset::kNone) {
  Scheme scheme;
  scheme.element = element;
  scheme.bits = bits;
  scheme.grid = grid;
  scheme.scale_dtype = scales;
  scheme.offset = offset;
  return scheme;
}

Scheme nvfp4() {
  Scheme scheme = scheme_of(Element::kE2M1, 4, Grid::group(16), DType::kF8E4M3);
  scheme.outer = OuterScale{};
  return scheme;
}

// Those whose rows have scales of their own.
std::vector<Scheme> schemes_by_row() {
  Scheme permuted = scheme_of(Element::kInt, 4, Grid::group(32), DType::kF16, Offset::kZero);
  permuted.permuted = true;
  Scheme codebook = scheme_of(Element::kCodebook, 4, Grid::group(32), DType::kF32);
  return {scheme_of(Element::kInt, 4, Grid::group(32), DType::kF16, Offset::kZero),
          scheme_of(Element::kInt, 8, Grid::channel(), DType::kF32),
          scheme_of(Element::kE2M1, 4, Grid::group(32), DType::kF8E8M0),
          scheme_of(Element::kInt, 4, Grid::group(64), DType::kF16, Offset::kMinimum),
          Scheme::dense(DType::kBF16),
          permuted,
          codebook};
}

Assembly rows_of(const RowRun& run, std::int64_t cols) {
  return {.rows = run.count, .cols = cols, .runs = {run}};
}

Result<QuantizedWeight> part_of(const QuantizedWeight& weight, const RowRun& run) {
  return assemble(rows_of(run, weight.cols), std::span(&weight, 1));
}

void expect_equal(const QuantizedWeight& a, const QuantizedWeight& b) {
  const auto difference = compare(a, b);
  ASSERT_TRUE(difference) << difference.error().message();
  EXPECT_TRUE(difference->equal) << difference->first;
  EXPECT_EQ(a.scheme, b.scheme);
}

void expect_values_of_rows(const QuantizedWeight& part, const QuantizedWeight& whole,
                           const RowRun& run) {
  const auto values = values_of(part);
  const auto all = values_of(whole);
  const auto cols = static_cast<std::size_t>(whole.cols);
  for (std::int64_t i = 0; i < run.count; ++i) {
    const auto from = static_cast<std::size_t>(run.from + i * run.from_step) * cols;
    const auto to = static_cast<std::size_t>(i) * cols;
    ASSERT_TRUE(std::equal(values.begin() + static_cast<std::ptrdiff_t>(to),
                           values.begin() + static_cast<std::ptrdiff_t>(to + cols),
                           all.begin() + static_cast<std::ptrdiff_t>(from)));
  }
}

TEST(Assemble, CutsAlternateRowsAndPutsThemBack) {
  for (const Scheme& scheme : schemes_by_row()) {
    SCOPED_TRACE(describe(scheme));
    const QuantizedWeight whole = random_weight(scheme, 24, 128, 7);
    const RowRun even{.from = 0, .from_step = 2, .count = 12};
    const RowRun odd{.from = 1, .from_step = 2, .count = 12};
    std::vector<QuantizedWeight> parts;
    for (const RowRun& run : {even, odd}) {
      const auto part = part_of(whole, run);
      ASSERT_TRUE(part) << part.error().message();
      expect_values_of_rows(*part, whole, run);
      parts.push_back(*part);
    }
    const Assembly back{.rows = 24,
                        .cols = 128,
                        .runs = {{.source = 0, .to = 0, .to_step = 2, .count = 12},
                                 {.source = 1, .to = 1, .to_step = 2, .count = 12}}};
    const auto again = assemble(back, parts);
    ASSERT_TRUE(again) << again.error().message();
    expect_equal(whole, *again);
    EXPECT_TRUE(same_bits(whole.codes, again->codes));
    EXPECT_TRUE(same_bits(whole.scales, again->scales));
  }
}

TEST(Assemble, CutsAtRandomPlacesAndPutsTheWholeBack) {
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    const auto schemes = schemes_by_row();
    const Scheme& scheme = schemes[random() % schemes.size()];
    const auto rows = static_cast<std::int64_t>(2 + random() % 40);
    const auto cut = static_cast<std::int64_t>(1 + random() % static_cast<std::uint32_t>(rows - 1));
    const QuantizedWeight whole = random_weight(scheme, rows, 64, random());
    const auto head = part_of(whole, {.from = 0, .count = cut});
    const auto tail = part_of(whole, {.from = cut, .count = rows - cut});
    ASSERT_TRUE(head && tail);
    const Assembly back{
        .rows = rows,
        .cols = 64,
        .runs = {{.source = 0, .count = cut}, {.source = 1, .to = cut, .count = rows - cut}}};
    const auto again = assemble(back, std::vector{*head, *tail});
    ASSERT_TRUE(again) << again.error().message();
    expect_equal(whole, *again);
  }
}

TEST(Assemble, KeepsOneScaleForEachShard) {
  const QuantizedWeight whole =
      random_weight(scheme_of(Element::kE4M3Fn, 8, Grid::tensor(), DType::kF32), 32, 64, 3);
  const RowRun run{.from = 8, .count = 8};
  const auto part = part_of(whole, run);
  ASSERT_TRUE(part) << part.error().message();
  EXPECT_TRUE(same_bits(part->scales, whole.scales));
  expect_values_of_rows(*part, whole, run);
}

TEST(Assemble, JoinsMatricesOfOneScaleAndRefusesTwo) {
  const Scheme scheme = scheme_of(Element::kE4M3Fn, 8, Grid::tensor(), DType::kF32);
  const QuantizedWeight a = random_weight(scheme, 8, 32, 1);
  QuantizedWeight b = random_weight(scheme, 8, 32, 2);
  const Assembly both{.rows = 16,
                      .cols = 32,
                      .runs = {{.source = 0, .count = 8}, {.source = 1, .to = 8, .count = 8}}};
  const auto refused = assemble(both, std::vector{a, b});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kRefused);
  EXPECT_THAT(refused.error().message(), HasSubstr("--harmonise-fused"));
  b.scales = a.scales;
  const auto joined = assemble(both, std::vector{a, b});
  ASSERT_TRUE(joined) << joined.error().message();
  EXPECT_EQ(joined->scheme, scheme);
}

TEST(Assemble, RefusesOuterScalesThatDiffer) {
  const QuantizedWeight a = random_weight(nvfp4(), 8, 32, 1);
  const QuantizedWeight b = random_weight(nvfp4(), 8, 32, 2);
  const Assembly both{.rows = 16,
                      .cols = 32,
                      .runs = {{.source = 0, .count = 8}, {.source = 1, .to = 8, .count = 8}}};
  EXPECT_THAT(assemble(both, std::vector{a, b}).error().message(), HasSubstr("outer scale"));
}

TEST(Assemble, KeepsBlocksThatNoCutDividesAndRefinesOthers) {
  const Scheme scheme = scheme_of(Element::kE4M3Fn, 8, Grid::block(16, 16), DType::kF32);
  const QuantizedWeight whole = random_weight(scheme, 64, 48, 5);
  const auto aligned = part_of(whole, {.from = 16, .count = 32});
  ASSERT_TRUE(aligned) << aligned.error().message();
  EXPECT_EQ(aligned->scheme.grid, Grid::block(16, 16));
  const RowRun odd{.from = 24, .count = 24};
  const auto refined = part_of(whole, odd);
  ASSERT_TRUE(refined) << refined.error().message();
  EXPECT_EQ(refined->scheme.grid, Grid::block(8, 16));
  expect_values_of_rows(*refined, whole, odd);
  const RowRun alternate{.from = 0, .from_step = 2, .count = 32};
  const auto rows = part_of(whole, alternate);
  ASSERT_TRUE(rows) << rows.error().message();
  EXPECT_EQ(rows->scheme.grid, Grid::group(16));
  expect_values_of_rows(*rows, whole, alternate);
}

TEST(Assemble, PadsWithZeros) {
  auto schemes = schemes_by_row();
  std::erase_if(schemes, [](const Scheme& scheme) {
    return scheme.offset == Offset::kMinimum || scheme.element == Element::kCodebook;
  });
  schemes.push_back(scheme_of(Element::kE4M3Fn, 8, Grid::block(16, 16), DType::kF32));
  schemes.push_back(scheme_of(Element::kE4M3Fn, 8, Grid::tensor(), DType::kF32));
  schemes.push_back(nvfp4());
  for (const Scheme& scheme : schemes) {
    SCOPED_TRACE(describe(scheme));
    const QuantizedWeight weight = random_weight(scheme, 16, 64, 9);
    const Assembly wider{.rows = 32, .cols = 96, .runs = {{.count = 16}}};
    const auto padded = assemble(wider, std::span(&weight, 1));
    ASSERT_TRUE(padded) << padded.error().message();
    const auto values = values_of(*padded);
    const auto given = values_of(weight);
    for (std::size_t row = 0; row < 32; ++row) {
      for (std::size_t col = 0; col < 96; ++col) {
        const float expected = row < 16 && col < 64 ? given[row * 64 + col] : 0.0F;
        ASSERT_EQ(values[row * 96 + col], expected) << row << ", " << col;
      }
    }
  }
}

TEST(Assemble, RefusesPaddingThatCannotBeZero) {
  const QuantizedWeight weight = random_weight(
      scheme_of(Element::kInt, 4, Grid::group(32), DType::kF16, Offset::kMinimum), 8, 32, 1);
  const Assembly wider{.rows = 16, .cols = 32, .runs = {{.count = 8}}};
  EXPECT_EQ(assemble(wider, std::span(&weight, 1)).error().code(), ErrorCode::kRefused);
}

TEST(Assemble, RefusesRowsThatAreNotThereAndSchemesThatDiffer) {
  const QuantizedWeight a = random_weight(Scheme::dense(DType::kF32), 8, 4, 1);
  const QuantizedWeight b = random_weight(Scheme::dense(DType::kBF16), 8, 4, 1);
  for (const RowRun& run :
       {RowRun{.from = 5, .count = 4}, RowRun{.from = -1, .count = 4},
        RowRun{.source = 2, .count = 1}, RowRun{.from_step = 0, .count = 2},
        RowRun{.from_step = std::int64_t{1} << 62, .count = 4}, RowRun{.to = 1, .count = 4}}) {
    const Assembly assembly{.rows = 4, .cols = 4, .runs = {run}};
    EXPECT_FALSE(assemble(assembly, std::vector{a}));
  }
  const Assembly both{.rows = 16,
                      .cols = 4,
                      .runs = {{.source = 0, .count = 8}, {.source = 1, .to = 8, .count = 8}}};
  EXPECT_EQ(assemble(both, std::vector{a, b}).error().code(), ErrorCode::kRefused);
}

}  // namespace
}  // namespace requant
