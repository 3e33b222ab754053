// The survey's own evaluator (Python) over its canonical checkpoints, once written down in
// tests/data/engines/matrix.json, against whole checkpoints of that kind judged by this one.
#include <gtest/gtest.h>

#include <deque>
#include <iostream>
#include <map>

#include "base/json_at.h"
#include "engine/judged.h"
#include "support/support.h"

namespace requant {
namespace {

Json data_file(const std::string& name) {
  return *parse_json(testing_support::read_file(testing_support::data_dir() / "engines" / name));
}

Element element_of(const std::string& type, int bits) {
  if (type != "float") return Element::kInt;
  return bits == 4 ? Element::kE2M1 : Element::kE4M3Fn;
}

// A checkpoint of one weight, 4096 x 4096, from the facts that the survey has of a sample.
class Sample {
 public:
  explicit Sample(const Json& json)
      : facts_(*json.find("facts")),
        config_(*parse_json(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama",
                                "num_attention_heads":32})")) {
    const std::string dtype = text("act_dtype");
    config_.set("torch_dtype", dtype.empty() ? "bfloat16" : dtype);
    config_.set("dtype", *config_.find("torch_dtype"));
    Json block = Json::object();
    for (const auto& [name, value] : facts_.members()) {
      const std::string_view key = name;
      const bool plain = key.starts_with("cfg.") && key.find('.', 4) == std::string_view::npos;
      if (plain) block.set(key.substr(4), value);
    }
    dialect_ = text("cfg.quant_method");
    if (dialect_ == "compressed-tensors") add_groups(block);
    config_.set("quantization_config", std::move(block));
    architecture_ = Architecture::of(config_);
    add_weight();
  }

  Subject subject() const {
    const bool gguf = text("container") == "gguf";
    return {.path = "model",
            .config = config_,
            .architecture = *architecture_,
            .container = gguf ? "gguf" : "safetensors",
            .dialect = dialect_,
            .weights = weights_,
            .dense = {}};
  }

 private:
  std::string text(std::string_view name) const { return text_at(facts_, name); }
  int number(std::string_view name, int otherwise) const {
    const Json* value = facts_.find(name);
    return value != nullptr && value->is_number() ? int_of(facts_, name) : otherwise;
  }
  bool has(std::string_view name) const {
    const Json* value = facts_.find(name);
    return value != nullptr && !value->is_null();
  }

  Json arguments(const std::string& prefix) const {
    Json out = Json::object();
    for (const auto& [fact, key] :
         std::map<std::string, std::string>{{"bits", "num_bits"},
                                            {"type", "type"},
                                            {"symmetric", "symmetric"},
                                            {"strategy", "strategy"},
                                            {"group_size", "group_size"},
                                            {"dynamic", "dynamic"},
                                            {"actorder", "actorder"},
                                            {"scale_dtype", "scale_dtype"}}) {
      if (const Json* value = facts_.find(prefix + "." + fact)) out.set(key, *value);
    }
    if (text(prefix + ".strategy") == "block")
      out.set("block_structure", Json::array({Json(128), Json(128)}));
    return out;
  }

  void add_groups(Json& block) const {
    const std::string format = text("ct.format");
    Json group = Json::object({{"targets", Json::array({Json("Linear")})},
                               {"weights", arguments("w")},
                               {"format", format}});
    group.set("input_activations", has("act") ? arguments("act") : Json());
    block.set("format", format);
    block.set("ignore", Json::array({Json("lm_head")}));
    block.set("config_groups", Json::object({{"group_0", std::move(group)}}));
  }

  std::vector<std::string> suffixes() const {
    const std::string format = text("ct.format");
    const bool zeros =
        facts_.find("w.symmetric") != nullptr && facts_.find("w.symmetric")->as_bool() == false;
    std::vector<std::string> out;
    if (dialect_ == "awq") return {"qweight", "qzeros", "scales"};
    if (dialect_ == "gptq") return {"g_idx", "qweight", "qzeros", "scales"};
    if (dialect_ == "fp8") {
      if (has("cfg.weight_block_size")) return {"weight", "weight_scale_inv"};
      return {"weight", "weight_scale", "input_scale"};
    }
    if (dialect_ == "modelopt") {
      if (text("cfg.quant_algo") == "FP8") return {"weight", "weight_scale", "input_scale"};
      return {"weight", "weight_scale", "weight_scale_2", "input_scale"};
    }
    if (dialect_ == "mxfp4") return {"blocks", "scales"};
    if (dialect_ != "compressed-tensors") return {"weight"};
    if (format == "pack-quantized") {
      out = {"weight_packed", "weight_scale", "weight_shape"};
      if (zeros) out.emplace_back("weight_zero_point");
      if (text("w.actorder") == "group") out.emplace_back("weight_g_idx");
      return out;
    }
    if (format == "marlin-24") return {"weight_packed", "meta", "scale_packed"};
    if (format == "nvfp4-pack-quantized") {
      out = {"weight_packed", "weight_scale", "weight_global_scale"};
      if (has("act")) out.emplace_back("input_global_scale");
      return out;
    }
    if (format == "mxfp4-pack-quantized") return {"weight_packed", "weight_scale"};
    const Json* dynamic = facts_.find("act.dynamic");
    if (dynamic != nullptr && dynamic->as_bool() == false) {
      return {"weight", "weight_scale", "input_scale"};
    }
    return {"weight", "weight_scale"};
  }

  void add_weight() {
    Weight weight;
    weight.module = "model.layers.0.self_attn.o_proj";
    weight.place = {.role = Role::kLinear, .layer = 0, .fused = weight.module};
    weight.rows = weight.cols = 4096;
    weight.scheme.bits = number(
        "w.bits",
        number("cfg.bits", dialect_ == "modelopt" && text("cfg.quant_algo") == "NVFP4" ? 4 : 8));
    const bool floats = text("w.type") == "float" || dialect_ == "fp8" || dialect_ == "modelopt";
    weight.scheme.element = element_of(floats ? "float" : "int", weight.scheme.bits);
    const int group = number("w.group_size", number("cfg.group_size", 0));
    weight.scheme.grid = group > 0 ? Grid::group(group) : Grid::channel();
    if (text("w.strategy") == "tensor") weight.scheme.grid = Grid::tensor();
    if (text("w.strategy") == "block") weight.scheme.grid = Grid::block(128, 128);
    const Json* symmetric = facts_.find("w.symmetric");
    if (symmetric == nullptr) symmetric = facts_.find("cfg.sym");
    const bool zeros = symmetric == nullptr ? facts_.find("cfg.zero_point") != nullptr
                                            : symmetric->as_bool() == false;
    if (zeros) weight.scheme.offset = Offset::kZero;
    const Json* desc_act = facts_.find("cfg.desc_act");
    weight.scheme.permuted =
        text("w.actorder") == "group" || (desc_act != nullptr && desc_act->as_bool() == true);
    for (const std::string& suffix : suffixes()) {
      TensorInfo tensor;
      tensor.name = weight.module + "." + suffix;
      tensor.shape = {4096, 4096};
      tensors_.push_back(std::move(tensor));
      weight.parts.emplace_back(suffix, &tensors_.back());
    }
    weights_.push_back(std::move(weight));
  }

  Json facts_;
  Json config_;
  std::string dialect_;
  std::optional<Architecture> architecture_;
  std::deque<TensorInfo> tensors_;
  std::vector<Weight> weights_;
};

char letter(Verdict verdict) {
  return verdict == Verdict::kYes ? 'y' : verdict == Verdict::kNo ? 'n' : '?';
}

std::string first_reason(const Judged& judged) {
  for (const Judgement& judgement : judged.judgements) {
    const bool certain = judgement.truth == Truth::kYes || judged.verdict != Verdict::kNo;
    if (certain &&
        (judgement.effect == Effect::kReject || judgement.effect == Effect::kRejectUnlessMet)) {
      return judgement.rule + ": " + judgement.reason + " " + judgement.unknown;
    }
  }
  return "";
}

// The first written reason that is for this engine and sample; empty: there is none.
std::string written_reason(const Json& reasons, std::string_view engine, std::string_view sample) {
  for (const Json& row : reasons.find("disagreements")->items()) {
    if (engine.starts_with(text_at(row, "engine")) && sample.starts_with(text_at(row, "sample"))) {
      return text_at(row, "reason");
    }
  }
  return "";
}

TEST(ReferenceMatrix, NoYesAgainstANoWithoutAWrittenReason) {
  const Json matrix = data_file("matrix.json");
  const Json reasons = data_file("disagreements.json");
  std::deque<Sample> samples;
  for (const Json& json : matrix.find("samples")->items()) samples.emplace_back(json);
  int agree = 0;
  int explained = 0;
  int ours_unknown = 0;
  int theirs_unknown = 0;
  for (const auto& [name, row] : matrix.find("verdicts")->members()) {
    const auto at = name.find('@');
    const auto engine = load_engine({.engine = name.substr(0, at), .version = name.substr(at + 1)});
    ASSERT_TRUE(engine) << name;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const Judged judged =
          judge(**engine, samples[i].subject(), {.capability = 90, .tensor_parallel = 1});
      const char ours = letter(judged.verdict);
      const char theirs = (*row.as_string())[i];
      const std::string sample = text_at(matrix.find("samples")->items()[i], "name");
      agree += ours == theirs;
      theirs_unknown += theirs == '?' && ours != '?';
      ours_unknown += ours == '?' && theirs != '?';
      if (ours == theirs || ours == '?' || theirs == '?') continue;
      const std::string reason = written_reason(reasons, name, sample);
      EXPECT_FALSE(reason.empty()) << name << " | " << sample << " | ours " << ours << ", theirs "
                                   << theirs << " | " << first_reason(judged);
      explained += !reason.empty();
    }
  }
  std::cout << agree << " agree, " << explained << " explained, ours unknown " << ours_unknown
            << ", theirs unknown " << theirs_unknown << "\n";
  EXPECT_GT(agree, 1500);
}

}  // namespace
}  // namespace requant
