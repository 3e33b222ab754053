#include "dialect/kv_cache.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(KvScales, HaveOneKeyWhereverTheyAreKept) {
  EXPECT_EQ(kv_scale_key("model.layers.3.self_attn.k_scale"), "model.layers.3.self_attn.k_scale");
  EXPECT_EQ(kv_scale_key("model.layers.3.self_attn.k_proj.k_scale"),
            "model.layers.3.self_attn.k_scale");
  EXPECT_EQ(kv_scale_key("model.layers.3.self_attn.v_proj.weight"),
            "model.layers.3.self_attn.v_proj.weight");
}

TEST(KvScales, AreRenamedToWhereTheTargetLooks) {
  EXPECT_EQ(kv_scale_name("a.v_scale", KvScales::kProjection), "a.v_proj.v_scale");
  EXPECT_EQ(kv_scale_name("a.v_proj.v_scale", KvScales::kAttention), "a.v_scale");
  EXPECT_FALSE(kv_scale_name("a.v_scale", KvScales::kNone));
  EXPECT_FALSE(kv_scale_name("a.q_scale", KvScales::kAttention));
}

TEST(KvCache, IsWhatAnyOfTheConfigsSays) {
  const auto cache = [](const char* text, const char* side) {
    const Json config = *parse_json(text);
    std::map<std::string, Json> files;
    files.emplace("hf_quant_config.json", *parse_json(side));
    return kv_cache_of(config, Architecture::of(config), files);
  };
  const KvCache int8 = cache(
      R"({"quantization_config": {"kv_cache_scheme": {"num_bits": 8, "type": "int"}}})", "{}");
  EXPECT_FALSE(int8.is_float);
  const KvCache nvfp4 = cache("{}", R"({"quantization": {"kv_cache_quant_algo": "NVFP4"}})");
  EXPECT_EQ(nvfp4.bits, 4);
  const KvCache silent = cache("{}", "{}");
  EXPECT_EQ(silent.bits, 8);
  EXPECT_TRUE(silent.is_float);
}

}  // namespace
}  // namespace requant
