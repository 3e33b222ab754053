#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "arch/architecture.h"
#include "support/support.h"

namespace requant {
namespace {

// One tensor of a model that transformers saved, and the class of the module that held it.
struct SavedTensor {
  std::string name;
  std::string module;  // without ".weight" and ".bias"
  std::string held_by;
  std::vector<std::int64_t> shape;

  bool is_weight() const { return name.size() > module.size() && name.ends_with(".weight"); }
  std::string_view last() const { return std::string_view(module).substr(module.rfind('.') + 1); }
};

struct SavedModel {
  std::string file;
  Json config;
  std::vector<SavedTensor> tensors;
};

SavedTensor saved_tensor(const std::string& name, const Json& row) {
  SavedTensor tensor{.name = name, .module = name, .held_by = {}, .shape = {}};
  for (const std::string_view suffix : {".weight", ".bias"}) {
    if (name.ends_with(suffix)) tensor.module = name.substr(0, name.size() - suffix.size());
  }
  for (const Json& item : row.items()) {
    if (item.is_string()) {
      tensor.held_by = *item.as_string();
    } else {
      tensor.shape.push_back(item.as_int().value_or(-1));
    }
  }
  return tensor;
}

std::vector<SavedModel> saved_models() {
  std::vector<SavedModel> models;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing_support::data_dir() / "architectures")) {
    if (entry.path().extension() != ".json") continue;
    const Json json = *parse_json(testing_support::read_file(entry.path()));
    SavedModel model{
        .file = entry.path().filename().string(), .config = *json.find("config"), .tensors = {}};
    for (const auto& [name, row] : json.find("tensors")->members()) {
      model.tensors.push_back(saved_tensor(name, row));
    }
    models.push_back(std::move(model));
  }
  return models;
}

class SavedNames : public testing::TestWithParam<SavedModel> {
 protected:
  const SavedModel& model() const { return GetParam(); }
  const Architecture architecture_ = Architecture::of(GetParam().config);
};

TEST_P(SavedNames, AreAllDescribed) {
  ASSERT_TRUE(architecture_.known());
  for (const SavedTensor& tensor : model().tensors) {
    EXPECT_TRUE(architecture_.describes(tensor.module)) << tensor.name;
  }
}

TEST_P(SavedNames, HaveTheRoleOfTheModuleThatHeldThem) {
  for (const SavedTensor& tensor : model().tensors) {
    if (!tensor.is_weight()) continue;
    const Role role = architecture_.module(tensor.module, tensor.shape.size()).role;
    const bool in_expert = tensor.module.find(".experts.") != std::string::npos;
    Role expected = Role::kOther;
    if (tensor.held_by.find("Router") != std::string::npos || tensor.last() == "gate" ||
        tensor.last() == "shared_expert_gate") {
      expected = Role::kRouter;
    } else if (tensor.held_by == "Linear" || in_expert) {
      expected = in_expert ? Role::kExpert : Role::kLinear;
      if (tensor.last() == "lm_head") expected = Role::kLmHead;
    } else if (tensor.held_by.find("Norm") != std::string::npos) {
      expected = Role::kNorm;
    } else if (tensor.held_by.starts_with("Conv")) {
      expected = Role::kConv;
    } else if (tensor.last() == "embed_tokens") {
      expected = Role::kEmbedding;
    }
    EXPECT_EQ(name_of(role), name_of(expected)) << tensor.name << " of " << tensor.held_by;
  }
}

// What engines load as one matrix: nothing of it may be missing, for then it has two schemes.
TEST_P(SavedNames, MakeUpWholeFusionGroups) {
  const std::map<std::string_view, std::set<std::string_view>> whole = {
      {"qkv_proj", {"q_proj", "k_proj", "v_proj"}},
      {"qkv", {"q_proj", "k_proj", "v_proj"}},
      {"gate_up_proj", {"gate_proj", "up_proj"}},
      {"w13", {"w1", "w3"}},
      {"fused_qkv_a_proj", {"q_a_proj", "kv_a_proj_with_mqa"}}};
  std::map<std::string, std::set<std::string_view>> groups;
  for (const SavedTensor& tensor : model().tensors) {
    if (!tensor.is_weight()) continue;
    const std::string fused = architecture_.module(tensor.module, tensor.shape.size()).fused;
    if (fused != tensor.module) groups[fused].insert(tensor.last());
  }
  for (const auto& [fused, members] : groups) {
    const auto expected = whole.find(std::string_view(fused).substr(fused.rfind('.') + 1));
    ASSERT_NE(expected, whole.end()) << fused;
    // Without a low-rank query there is but one member.
    if (expected->first == "fused_qkv_a_proj" && members.size() == 1) continue;
    EXPECT_EQ(members, expected->second) << fused;
  }
}

TEST_P(SavedNames, HaveTheShapesThatConfigAsksFor) {
  const auto shape_of = [&](std::string_view name) -> const std::vector<std::int64_t>* {
    const auto at = std::ranges::find(model().tensors, name, &SavedTensor::name);
    return at == model().tensors.end() ? nullptr : &at->shape;
  };
  for (const Finding& finding : architecture_.check_tensors(model().config, shape_of)) {
    ADD_FAILURE() << finding.where << " " << finding.message;
  }
  for (const Finding& finding : architecture_.check_config(model().config)) {
    ADD_FAILURE() << finding.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Transformers, SavedNames, testing::ValuesIn(saved_models()),
                         [](const auto& row) {
                           std::string name = row.param.file.substr(0, row.param.file.find('.'));
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(SavedModels, AreThereForEveryFamilyOfTheList) { EXPECT_GE(saved_models().size(), 35U); }

}  // namespace
}  // namespace requant
