#include "container/writer.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/bytes.h"
#include "container/container.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::data_dir;
using testing_support::read_file;
using testing_support::TemporaryFolder;

std::vector<PlannedTensor> plan_of(const Source& source) {
  std::vector<PlannedTensor> plan;
  for (const TensorInfo& info : source.tensors())
    plan.push_back({info.name, info.dtype, info.shape});
  return plan;
}

// reference.safetensors has every dtype that PyTorch has, written by the safetensors package.
TEST(SafetensorsWriter, WritesTheBytesOfTheReference) {
  const auto reference = data_dir() / "containers" / "reference.safetensors";
  const auto source = open_source(reference);
  ASSERT_TRUE(source) << source.error().message();
  const TemporaryFolder folder;
  auto writer =
      SafetensorsWriter::create(folder / "out.safetensors", plan_of(*source), source->metadata());
  ASSERT_TRUE(writer) << writer.error().message();
  for (const TensorInfo& info : source->tensors()) {
    const auto tensor = source->read(info);
    ASSERT_TRUE(tensor);
    ASSERT_TRUE(writer->fill(info.name, 0, tensor->bytes.span()));
  }
  const auto finished = writer->finish();
  ASSERT_TRUE(finished) << finished.error().message();
  EXPECT_EQ(read_file(folder / "out.safetensors"), read_file(reference));
}

TEST(SafetensorsWriter, LaysOutNothing) {
  const auto layout = safetensors_layout({}, {});
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->header, std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  EXPECT_EQ(layout->data_bytes, 0U);
}

TEST(SafetensorsWriter, TakesPiecesInAnyOrderFromSeveralThreads) {
  const TemporaryFolder folder;
  auto writer = SafetensorsWriter::create(folder / "out.safetensors",
                                          {{"a", DType::kU8, {1000}}, {"b", DType::kF32, {}}}, {});
  ASSERT_TRUE(writer);
  const std::string piece(100, 'x');
  const auto fill = [&](std::uint64_t from) {
    for (std::uint64_t at = from; at < 1000; at += 200) {
      EXPECT_TRUE(writer->fill("a", at, bytes_of(piece)));
    }
  };
  std::thread other(fill, 100);
  fill(0);
  other.join();
  ASSERT_TRUE(writer->fill("b", 0, bytes_of("\1\2\3\4")));
  ASSERT_TRUE(writer->finish());
  const auto source = open_source(folder / "out.safetensors");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->read(*source->find("a"))->bytes.text(), std::string(1000, 'x'));
}

TEST(SafetensorsWriter, LeavesNothingThatOpensUnlessItFinished) {
  const TemporaryFolder folder;
  {
    auto writer =
        SafetensorsWriter::create(folder / "out.safetensors", {{"a", DType::kU8, {4}}}, {});
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->fill("a", 0, bytes_of("abc")));
    EXPECT_FALSE(open_source(folder / "out.safetensors"));
    const auto finished = writer->finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code(), ErrorCode::kCorrupt);
    EXPECT_NE(finished.error().message().find("a: 3 bytes were written, expected 4"),
              std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out.safetensors"));
}

TEST(SafetensorsWriter, RefusesWhatItCannotWrite) {
  const TemporaryFolder folder;
  const auto path = folder / "out.safetensors";
  const auto code = [&](std::vector<PlannedTensor> plan) {
    const auto writer = SafetensorsWriter::create(path, std::move(plan), {});
    return writer ? std::optional<ErrorCode>() : writer.error().code();
  };
  EXPECT_EQ(code({{"a", DType::kU8, {1}}, {"a", DType::kF32, {1}}}), ErrorCode::kUsage);
  EXPECT_EQ(code({{"a", DType::kF4, {3}}}), ErrorCode::kUsage);
  EXPECT_EQ(code({{"__metadata__", DType::kU8, {1}}}), ErrorCode::kUsage);
  EXPECT_EQ(code({{"a\n", DType::kU8, {1}}}), ErrorCode::kUsage);
  EXPECT_EQ(code({{"a", DType::kU8, {std::int64_t{1} << 60}}}), ErrorCode::kResource);
  EXPECT_FALSE(std::filesystem::exists(path));

  auto writer = SafetensorsWriter::create(path, {{"a", DType::kU8, {2}}}, {});
  ASSERT_TRUE(writer);
  EXPECT_EQ(code({{"a", DType::kU8, {2}}}), ErrorCode::kUsage);
  EXPECT_FALSE(writer->fill("b", 0, {}));
  EXPECT_FALSE(writer->fill("a", 1, bytes_of("xy")));
}

}  // namespace
}  // namespace requant
