#include <gtest/gtest.h>

#include <filesystem>

#include "container/container.h"
#include "container/writer.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing_support::corpus_folders;
using testing_support::data_dir;
using testing_support::TemporaryFolder;
using testing_support::write_file;

constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kFirst = "model-00001-of-00002.safetensors";
constexpr std::string_view kSecond = "model-00002-of-00002.safetensors";

void write_tensors(const fs::path& path, const std::vector<std::string>& names) {
  std::vector<PlannedTensor> plan;
  for (const std::string& name : names) plan.push_back({name, DType::kU8, {2}});
  auto writer = SafetensorsWriter::create(path, plan, {{"format", "pt"}});
  ASSERT_TRUE(writer) << writer.error().message();
  for (const std::string& name : names) ASSERT_TRUE(writer->fill(name, 0, bytes_of("ab")));
  ASSERT_TRUE(writer->finish());
}

// Two shards: a and b in the first, c in the second.
class Folder : public testing::Test {
 protected:
  void SetUp() override {
    write_tensors(folder_ / kFirst, {"a", "b"});
    write_tensors(folder_ / kSecond, {"c"});
  }
  void write_index(std::string_view json) { write_file(folder_ / kIndex, json); }
  void write_good_index() {
    write_index(
        R"({"metadata":{"total_size":6},"weight_map":{"a":"model-00001-of-00002.safetensors",
      "b":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}})");
  }
  std::string message() const {
    const auto source = open_source(folder_.path());
    return source ? "accepted" : source.error().message();
  }
  TemporaryFolder folder_;
};

TEST_F(Folder, OpensTheShardsOfItsIndex) {
  write_good_index();
  for (const fs::path& path : {folder_.path(), folder_ / kIndex}) {
    const auto source = open_source(path);
    ASSERT_TRUE(source) << source.error().message();
    EXPECT_EQ(source->tensors().size(), 3U);
    EXPECT_EQ(source->files().size(), 2U);
    EXPECT_EQ(source->files()[1].label(), kSecond);
    EXPECT_EQ(source->total_bytes(), 6U);
    EXPECT_TRUE(source->notes().empty());
  }
}

TEST_F(Folder, OpensACompleteSetOfShardsWithoutAnIndex) {
  EXPECT_EQ(message(), "accepted");
  fs::remove(folder_ / kFirst);
  EXPECT_NE(message().find("1 of the 2 shards"), std::string::npos) << message();
}

TEST_F(Folder, NamesTheTensorThatIsNotWhereTheIndexSays) {
  write_index(R"({"weight_map":{"a":"model-00001-of-00002.safetensors",
    "c":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})");
  EXPECT_EQ(
      message(),
      "model.safetensors.index.json: c is in model-00002-of-00002.safetensors, the index says "
      "model-00001-of-00002.safetensors");
  write_index(R"({"weight_map":{"ghost":"model-00001-of-00002.safetensors"}})");
  EXPECT_EQ(message(),
            "model.safetensors.index.json: ghost is in no shard, the index says "
            "model-00001-of-00002.safetensors");
}

TEST_F(Folder, RefusesShardNamesThatLeaveIt) {
  for (const std::string_view name :
       {"", ".", "..", "/etc/passwd", "../x.safetensors", "a/x.safetensors", "a\\\\x.safetensors",
        "x\\u0000.safetensors", "pytorch_model.bin", ".safetensors", "http://h/x.safetensors"}) {
    write_index(R"({"weight_map":{"a":")" + std::string(name) + "\"}}");
    EXPECT_TRUE(message().starts_with("model.safetensors.index.json: a: shard ")) << message();
  }
}

TEST_F(Folder, RefusesAnIndexOfAnotherForm) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"([])", "not a JSON object"},
      {R"("weight_map")", "not a JSON object"},
      {R"({"metadata":{}})", "no object weight_map"},
      {R"({"weight_map":["a"]})", "no object weight_map"},
      {R"({"weight_map":"a"})", "no object weight_map"},
      {R"({"weight_map":{}})", "weight_map is empty"},
      {R"({"weight_map":{"a":1}})", "a: the shard is not named by a string"},
      {R"({"weight_map":{"a":["b.safetensors"]}})", "a: the shard is not named by a string"},
      {R"({"weight_map":{"a":{"b":"c"}}})", "a: the shard is not named by a string"},
      {R"({"weight_map":{"a":"x.safetensors","a":"x.safetensors"}})",
       "key 'a' appears twice in one object"},
      {R"({"metadata":{"weight_map":{"a":"x.safetensors"}}})", "no object weight_map"}};
  for (const auto& [text, expected] : cases) {
    write_index(text);
    EXPECT_EQ(message(), "model.safetensors.index.json: " + std::string(expected));
  }
}

TEST_F(Folder, ReportsTheFirstOfSeveralBrokenShards) {
  write_file(folder_ / kFirst, "no");
  write_file(folder_ / kSecond, "nor this");
  EXPECT_TRUE(message().starts_with(kFirst)) << message();
}

TEST_F(Folder, NamesTheMissingShard) {
  write_good_index();
  fs::remove(folder_ / kSecond);
  EXPECT_TRUE(message().starts_with(kSecond)) << message();
  EXPECT_EQ(open_source(folder_.path()).error().code(), ErrorCode::kCorrupt);
}

TEST_F(Folder, FollowsLinksToRegularFilesOnly) {
  write_good_index();
  fs::rename(folder_ / kSecond, folder_ / "blob");
  fs::create_symlink("blob", folder_ / kSecond);
  EXPECT_EQ(message(), "accepted");
  fs::remove(folder_ / kSecond);
  fs::create_symlink("/dev/zero", folder_ / kSecond);
  EXPECT_NE(message().find("expected a regular file, found a device"), std::string::npos);
}

TEST_F(Folder, NotesWhatIsOddButLegal) {
  write_tensors(folder_ / "extra.safetensors", {"z"});
  write_file(folder_ / "pytorch_model.bin", "not even looked at");
  write_index(R"({"metadata":{"total_size":"many"},"weight_map":{
    "a":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}})");
  const auto source = open_source(folder_.path());
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_NE(source->find("b"), nullptr);
  EXPECT_EQ(source->notes().size(), 4U);
}

TEST_F(Folder, RefusesTwoModelsInOneFolder) {
  write_good_index();
  write_tensors(folder_ / "model.safetensors", {"a"});
  EXPECT_TRUE(message().starts_with("model.safetensors lies beside")) << message();
}

TEST_F(Folder, RefusesATensorInTwoShards) {
  fs::remove(folder_ / kSecond);
  write_tensors(folder_ / kSecond, {"b"});
  write_index(R"({"weight_map":{"a":"model-00001-of-00002.safetensors",
    "b":"model-00002-of-00002.safetensors"}})");
  EXPECT_EQ(message(),
            "b: in model-00001-of-00002.safetensors and again in "
            "model-00002-of-00002.safetensors");
}

TEST(OpenSource, SaysWhatItLookedFor) {
  const TemporaryFolder folder;
  const auto source = open_source(folder.path());
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(source.error().message().find("model.safetensors"), std::string::npos);
  EXPECT_EQ(open_source(folder / "nowhere").error().code(), ErrorCode::kNotFound);
}

TEST(OpenSource, TakesTheOnlyFileWhateverItsName) {
  const TemporaryFolder folder;
  write_tensors(folder / "gptq_model-4bit-128g.safetensors", {"a"});
  EXPECT_TRUE(open_source(folder.path()));
  write_tensors(folder / "other.safetensors", {"a"});
  EXPECT_EQ(open_source(folder.path()).error().code(), ErrorCode::kRefused);
}

TEST(OpenSource, SortsNamesAsPeopleDo) {
  const TemporaryFolder folder;
  write_tensors(folder / "model.safetensors", {"l.10.w", "l.2.w", "l.1.w"});
  const auto source = open_source(folder.path());
  ASSERT_TRUE(source);
  EXPECT_EQ(source->tensors()[0].name, "l.1.w");
  EXPECT_EQ(source->tensors()[1].name, "l.2.w");
  EXPECT_EQ(source->tensors()[2].name, "l.10.w");
}

TEST(OpenSource, OpensThePyTorchFilesOfAFolder) {
  const TemporaryFolder folder;
  fs::copy(data_dir() / "containers" / "plain.bin", folder / "pytorch_model-00001-of-00001.bin");
  write_file(folder / "pytorch_model.bin.index.json",
             R"({"weight_map":{"w":"pytorch_model-00001-of-00001.bin"}})");
  const auto source = open_source(folder.path());
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(source->container(), "pytorch");
}

TEST(OpenSource, ReadsEveryTensorOfTheCorpus) {
  for (const fs::path& folder : corpus_folders()) {
    if (fs::exists(folder / "model.gguf")) continue;
    const auto source = open_source(folder);
    ASSERT_TRUE(source) << folder << source.error().message();
    EXPECT_FALSE(source->tensors().empty());
    for (const TensorInfo& info : source->tensors()) {
      EXPECT_TRUE(source->read(info)) << folder << info.name;
    }
  }
}

}  // namespace
}  // namespace requant
