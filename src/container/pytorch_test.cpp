#include <gtest/gtest.h>

#include "container/container.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::corpus_folder;
using testing_support::data_dir;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

Result<Source> open_fixture(std::string_view name) {
  return open_source(data_dir() / "containers" / name);
}

std::string message_of(std::string_view name) {
  const auto source = open_fixture(name);
  return source ? "accepted" : source.error().message();
}

std::vector<double> values_of(const Source& source, std::string_view name) {
  const TensorInfo* info = source.find(name);
  if (info == nullptr) return {};
  const auto tensor = source.read(*info);
  std::vector<double> values;
  for (std::int64_t i = 0; tensor && i < tensor->elements(); ++i) {
    values.push_back(element_as_double(*tensor, i));
  }
  return values;
}

TEST(PyTorch, ReadsEveryDtype) {
  const auto source = open_fixture("dtypes.bin");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->container(), "pytorch");
  EXPECT_EQ(source->tensors().size(), 12U);
  const auto dtype = [&](std::string_view name) { return name_of(source->find(name)->dtype); };
  EXPECT_EQ(dtype("f32"), "F32");
  EXPECT_EQ(dtype("parameter"), "BF16");
  EXPECT_EQ(dtype("float8_e4m3fn"), "F8_E4M3");
  EXPECT_EQ(dtype("float8_e5m2"), "F8_E5M2");
  EXPECT_EQ(dtype("float8_e8m0fnu"), "F8_E8M0");
  EXPECT_EQ(dtype("uint16"), "U16");
  EXPECT_EQ(dtype("bool"), "BOOL");
  EXPECT_EQ(values_of(*source, "f32"), (std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(*source, "scalar"), std::vector<double>{7});
  EXPECT_EQ(values_of(*source, "parameter"), (std::vector<double>{1, -2}));
  EXPECT_EQ(values_of(*source, "float8_e4m3fn"), (std::vector<double>{1, 2, 0.5, 448}));
  EXPECT_EQ(source->find("empty")->shape, (Shape{0, 4}));
  EXPECT_TRUE(values_of(*source, "empty").empty());
}

TEST(PyTorch, CountsTheElementsOfPackedPairs) {
  const auto source = open_fixture("dtypes.bin");
  ASSERT_TRUE(source);
  const auto tensor = source->read(*source->find("fp4"));
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->dtype, DType::kF4);
  EXPECT_EQ(tensor->shape, (Shape{1, 4}));
  EXPECT_EQ(tensor->bytes.text(), "\x21\x43");
}

TEST(PyTorch, GathersWhatDoesNotLieDense) {
  const auto source = open_fixture("views.bin");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->find("transposed")->shape, (Shape{4, 3}));
  EXPECT_EQ(source->find("transposed")->strides(), (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(values_of(*source, "transposed"),
            (std::vector<double>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(values_of(*source, "middle"), (std::vector<double>{4, 6, 8, 10, 16, 18, 20, 22}));
  EXPECT_EQ(values_of(*source, "column"), (std::vector<double>{1, 5, 9}));
  const auto permuted = values_of(*source, "permuted");
  ASSERT_EQ(permuted.size(), 24U);
  for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(permuted[i], (i % 6) * 4 + i / 6);
}

TEST(PyTorch, TellsTiedTensors) {
  const auto source = open_fixture("views.bin");
  ASSERT_TRUE(source);
  EXPECT_EQ(source->find("lm_head.weight")->shares_with(), "embed.weight");
  EXPECT_EQ(source->find("embed.weight")->shares_with(), "");
  EXPECT_EQ(source->find("column")->shares_with(), "");
}

TEST(PyTorch, NamesNestedTensorsByTheirPathAndKeepsPlainValues) {
  const auto source = open_fixture("nested.pt");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_NE(source->find("layer.0.W_q"), nullptr);
  const std::map<std::string, std::string> expected = {{"layer.0.nbits", "4"},
                                                       {"layer.0.shape", "[3, 4]"},
                                                       {"layer.0.dtype", "torch.uint8"},
                                                       {"layer.0.on", "true"},
                                                       {"layer.0.packing", "4bit_u8"}};
  EXPECT_EQ(source->metadata(), expected);
}

TEST(PyTorch, ReadsPickleProtocol4) {
  const auto source = open_fixture("protocol4.bin");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(values_of(*source, "w"), (std::vector<double>{1, 2}));
}

TEST(PyTorch, RunsNothing) {
  EXPECT_EQ(message_of("runs_code.bin"), "runs_code.bin: refuses pickle global 'posix.system'");
  EXPECT_EQ(open_fixture("runs_code.bin").error().code(), ErrorCode::kRefused);
  EXPECT_EQ(message_of("module.bin"),
            "module.bin: refuses pickle global 'torch.nn.modules.linear.Linear'");
}

TEST(PyTorch, SaysWhyItRefuses) {
  const auto expect_part = [](std::string_view name, std::string_view part) {
    const std::string message = message_of(name);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect_part("legacy.bin", "before PyTorch 1.6");
  expect_part("compressed.bin", "is compressed");
  expect_part("big_endian.bin", "byte order 'big'");
  expect_part("no_data.bin", "w: its data '0' is not there");
  expect_part("short_data.bin", "w: its storage '0' has 4 bytes, expected 2 of 32 bits");
  expect_part("no_pickle.bin", "without data.pkl");
  expect_part("expanded.bin", "w: [1099511627776] repeats the 1 elements of its storage");
  expect_part("complex128.bin", "'torch.ComplexDoubleStorage'");
}

TEST(PyTorch, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  const std::string whole = read_file(data_dir() / "containers" / "plain.bin");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(folder / "cut.bin", std::string_view(whole).substr(0, size));
    const auto source = open_source(folder / "cut.bin");
    ASSERT_FALSE(source) << size;
    ASSERT_TRUE(source.error().message().starts_with("cut.bin: ")) << source.error().message();
  }
}

TEST(PyTorch, SurvivesEveryFlippedByte) {
  const TemporaryFolder folder;
  const std::string whole = read_file(data_dir() / "containers" / "views.bin");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x15);
    write_file(folder / "flipped.bin", bytes);
    const auto source = open_source(folder / "flipped.bin");
    for (const TensorInfo& info : source ? source->tensors() : std::span<const TensorInfo>()) {
      EXPECT_TRUE(source->read(info)) << info.name;
    }
  }
}

// Written by lmdeploy 0.7.2.
TEST(PyTorch, ReadsWhatLmdeployWrote) {
  const auto folder = corpus_folder("lmdeploy__sq-fp8-v072__tiny-internvl25");
  ASSERT_FALSE(folder.empty());
  const auto source = open_source(folder);
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->tensors().size(), 63U);
  std::size_t fp8 = 0;
  for (const TensorInfo& info : source->tensors()) {
    fp8 += info.dtype == DType::kF8E4M3 ? 1 : 0;
    EXPECT_TRUE(source->read(info)) << info.name;
  }
  EXPECT_GT(fp8, 0U);
}

}  // namespace
}  // namespace requant
