#include "codec/testing.h"

#include <gtest/gtest.h>

#include "quant/testing.h"

namespace requant::testing_support {
namespace {

void expect_layout(const Codec& codec, const QuantizedWeight& weight, const WeightParts& parts) {
  const auto specs = codec.layout(weight.scheme, weight.rows, weight.cols);
  ASSERT_TRUE(specs) << specs.error().message();
  ASSERT_EQ(specs->size(), parts.size());
  for (const PartSpec& spec : *specs) {
    ASSERT_TRUE(parts.contains(spec.suffix)) << spec.suffix;
    EXPECT_EQ(parts.at(spec.suffix).dtype, spec.dtype) << spec.suffix;
    EXPECT_EQ(parts.at(spec.suffix).shape, spec.shape) << spec.suffix;
  }
}

// The parts as a header tells them: no bytes.
WeightParts without_bytes(WeightParts parts) {
  for (auto& [name, tensor] : parts) tensor.bytes = {};
  return parts;
}

void expect_refusal(const Codec& codec, const Scheme& scheme, const WeightParts& parts,
                    const std::string& what) {
  const auto weight = codec.decode(parts, scheme);
  EXPECT_FALSE(weight) << what;
  if (weight) return;
  EXPECT_EQ(weight.error().message().find('\n'), std::string::npos) << what;
}

void mangle(const Codec& codec, const Scheme& scheme, const WeightParts& parts,
            const std::string& name) {
  WeightParts broken = parts;
  for (std::size_t size = 0; size < parts.at(name).bytes.size(); ++size) {
    broken[name].bytes = *Bytes::copy_of(parts.at(name).bytes.span().first(size));
    expect_refusal(codec, scheme, broken, name + " cut to " + std::to_string(size));
  }
  for (const Shape& shape :
       {Shape{}, Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{3, 5, 7}, Shape{0, 0}}) {
    broken = parts;
    broken[name].shape = shape;
    if (broken[name].shape != parts.at(name).shape && broken[name].elements() != 1) {
      expect_refusal(codec, scheme, broken, name + " of shape " + to_string(shape));
    }
    codec.scheme_of(broken, scheme);  // must not crash
  }
  for (int i = 0; i < static_cast<int>(DType::kCount); ++i) {
    broken = parts;
    broken[name].dtype = static_cast<DType>(i);
    if (info(broken[name].dtype).bits == info(parts.at(name).dtype).bits) continue;
    expect_refusal(codec, scheme, broken, name + " as " + std::string(name_of(broken[name].dtype)));
  }
}

}  // namespace

void expect_round_trip(const Codec& codec, const Scheme& scheme, std::int64_t rows,
                       std::int64_t cols) {
  SCOPED_TRACE(describe(scheme));
  ASSERT_TRUE(codec.holds(scheme));
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    const QuantizedWeight before = random_weight(scheme, rows, cols, seed);
    const auto parts = codec.encode(before);
    ASSERT_TRUE(parts) << parts.error().message();
    expect_layout(codec, before, *parts);
    const auto found = codec.scheme_of(without_bytes(*parts), scheme);
    ASSERT_TRUE(found);
    const auto after = codec.decode(*parts, *found);
    ASSERT_TRUE(after) << after.error().message();
    const auto difference = compare(before, *after);
    ASSERT_TRUE(difference) << difference.error().message();
    EXPECT_TRUE(difference->equal) << difference->first;
  }
}

void expect_refusal_when_cut(const Codec& codec, const Scheme& scheme, std::int64_t rows,
                             std::int64_t cols) {
  SCOPED_TRACE(describe(scheme));
  const auto parts = codec.encode(random_weight(scheme, rows, cols));
  ASSERT_TRUE(parts) << parts.error().message();
  ASSERT_TRUE(codec.decode(*parts, scheme));
  for (const auto& [name, tensor] : *parts) {
    mangle(codec, scheme, *parts, name);
    WeightParts fewer = *parts;
    fewer.erase(name);
    // Left out by some writers where they say nothing.
    const bool optional = name == "qzeros" || (name == "g_idx" && !scheme.permuted);
    if (!optional) expect_refusal(codec, scheme, fewer, "without " + name);
  }
}

}  // namespace requant::testing_support
