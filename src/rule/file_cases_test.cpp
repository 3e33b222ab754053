#include <gtest/gtest.h>

#include "rule/testing.h"

namespace requant::testing_support {
namespace {

Tiny llama() { return Tiny::llama(); }

void replace_weights(Tiny& tiny, std::string bytes) {
  tiny.tensors.clear();
  tiny.files["model.safetensors"] = std::move(bytes);
}

// A safetensors file of that header.
std::string with_header(const std::string& header, std::size_t data) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<char>(header.size() >> shift & 0xFF));
  }
  return bytes + header + std::string(data, '\1');
}

std::string index_of(const Tiny& tiny, const std::string& file) {
  Json map = Json::object();
  std::uint64_t total = 0;
  for (const auto& [name, tensor] : tiny.tensors) {
    map.set(name, file);
    total += tensor.bytes.size();
  }
  return Json::object(
             {{"metadata", Json::object({{"total_size", total}})}, {"weight_map", std::move(map)}})
      .dump();
}

Tiny indexed() {
  Tiny tiny = Tiny::llama();
  tiny.files["model.safetensors.index.json"] = index_of(tiny, "model.safetensors");
  return tiny;
}

Json index(const Tiny& tiny) { return *parse_json(tiny.files.at("model.safetensors.index.json")); }

void set_index(Tiny& tiny, const Json& json) {
  tiny.files["model.safetensors.index.json"] = json.dump();
}

}  // namespace

std::vector<RuleCase> file_cases() {
  std::vector<RuleCase> cases;
  cases.push_back({.rule = "file.lfs-pointer",
                   .threads = {55},
                   .clean = llama,
                   .damage =
                       [](Tiny& tiny) {
                         replace_weights(tiny,
                                         "version https://git-lfs.github.com/spec/v1\n"
                                         "oid sha256:4665\nsize 135\n");
                       },
                   .says = "git-lfs pointer"});
  cases.push_back(
      {.rule = "file.other-type",
       .threads = {55},
       .clean = llama,
       .damage = [](Tiny& tiny) { replace_weights(tiny, "<!DOCTYPE html><html>404</html>"); },
       .says = "a web page"});
  cases.push_back({.rule = "file.other-type",
                   .threads = {55},
                   .clean = llama,
                   .damage =
                       [](Tiny& tiny) {
                         replace_weights(tiny,
                                         std::string("PK\x03\x04", 4) + std::string(60, '\0'));
                       },
                   .says = "a zip"});
  cases.push_back({.rule = "file.other-type",
                   .threads = {55},
                   .clean = llama,
                   .damage = [](Tiny& tiny) { replace_weights(tiny, "\x80\x02}q.           "); },
                   .says = "pickle"});
  cases.push_back(
      {.rule = "file.truncated",
       .threads = {55},
       .clean = llama,
       .damage =
           [](Tiny& tiny) {
             replace_weights(
                 tiny, with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4));
           },
       .says = "truncated"});
  cases.push_back({.rule = "file.ranges",
                   .threads = {55},
                   .clean = llama,
                   .damage =
                       [](Tiny& tiny) {
                         replace_weights(
                             tiny,
                             with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                         R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                                         6));
                       },
                   .says = "overlaps"});
  cases.push_back(
      {.rule = "file.ranges",
       .threads = {55},
       .clean = llama,
       .damage =
           [](Tiny& tiny) {
             replace_weights(
                 tiny, with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                   R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                                   12));
           },
       .says = "belong to no tensor"});
  cases.push_back({.rule = "file.duplicate-key",
                   .clean = llama,
                   .damage =
                       [](Tiny& tiny) {
                         tiny.files["config.json"] = R"({"model_type": "llama", "model_type": 1})";
                       },
                   .says = "appears twice"});
  cases.push_back({.rule = "file.index",
                   .threads = {20},
                   .clean = indexed,
                   .damage =
                       [](Tiny& tiny) {
                         Json json = index(tiny);
                         json.find("weight_map")
                             ->set("model.layers.0.mlp.up_proj.qweight", "model.safetensors");
                         set_index(tiny, json);
                       },
                   .says = "is in no shard"});
  cases.push_back(
      {.rule = "file.shards",
       .threads = {55},
       .clean = indexed,
       .damage =
           [](Tiny& tiny) {
             Json json = index(tiny);
             json.find("weight_map")->set("lm_head.weight", "model-00002-of-00002.safetensors");
             set_index(tiny, json);
           },
       .says = "model-00002-of-00002.safetensors"});
  cases.push_back({.rule = "file.not-json",
                   .clean = llama,
                   .damage = [](Tiny& tiny) { tiny.files["generation_config.json"] = "{"; },
                   .says = "generation_config.json"});
  cases.push_back({.rule = "file.note",
                   .threads = {20},
                   .clean = indexed,
                   .damage =
                       [](Tiny& tiny) {
                         Json json = index(tiny);
                         json.find("weight_map")->erase("lm_head.weight");
                         set_index(tiny, json);
                       },
                   .says = "not listed"});
  cases.push_back(
      {.rule = "file.pickle",
       .clean = llama,
       .damage =
           [](Tiny& tiny) { tiny = Tiny::corpus("lmdeploy__sq-fp8-v072__tiny-internlm2", false); },
       .says = "pickle"});
  cases.push_back({.rule = "file.pickle-beside",
                   .clean = llama,
                   .damage = [](Tiny& tiny) { tiny.files["training_args.bin"] = "\x80\x02."; },
                   .says = "training_args.bin"});
  cases.push_back({.rule = "file.orphan-shard",
                   .threads = {20},
                   .clean = indexed,
                   .damage =
                       [](Tiny& tiny) {
                         tiny.files["model-00002-of-00002.safetensors"] = with_header(
                             R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
                       },
                   .says = "model-00002-of-00002.safetensors"});
  cases.push_back({.rule = "file.no-format",
                   .clean = llama,
                   .damage = [](Tiny& tiny) { tiny.metadata.clear(); },
                   .says = "format"});
  return cases;
}

}  // namespace requant::testing_support
