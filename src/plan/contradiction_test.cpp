#include "plan/contradiction.h"

#include <gtest/gtest.h>

#include <string>

#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing_support::corpus_folder;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_file;

// An AWQ checkpoint whose config.json has `to` in the place of `from`; the complaint about it.
std::string complaint_of(const std::string& from, const std::string& to, LossSet allowed = {}) {
  const fs::path good = corpus_folder("autoawq__gemm-w4g128__tiny_llama");
  const TemporaryFolder work;
  fs::copy(good, work / "m", fs::copy_options::recursive);
  std::string config = read_file(work / "m/config.json");
  const std::size_t at = config.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  write_file(work / "m/config.json", config.replace(at, from.size(), to));
  const auto checkpoint = Checkpoint::open(work / "m");
  if (!checkpoint) return checkpoint.error().message();
  const auto checked = check_contradictions(*checkpoint, allowed);
  return checked ? "" : checked.error().message();
}

TEST(Contradictions, NoneInWhatAToolWrote) { EXPECT_EQ(complaint_of("awq", "awq"), ""); }

TEST(Contradictions, NamesTheKeyTheTensorAndTheWaysOut) {
  EXPECT_EQ(complaint_of("\"group_size\": 128", "\"group_size\": 64"),
            "config.json: 'quantization_config.group_size' is 64, the scales of "
            "model.layers.0.mlp.down_proj are for 128; requant fix may mend that, convert --allow "
            "contradiction believes the tensors");
}

TEST(Contradictions, PassWithLeave) {
  LossSet leave;
  leave.add(Loss::kContradiction);
  EXPECT_EQ(complaint_of("\"group_size\": 128", "\"group_size\": 64", leave), "");
}

}  // namespace
}  // namespace requant
