#include "engine/predicate.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

Truth evaluate(std::string_view text, const EngineFacts& facts) {
  const auto json = parse_json(text);
  EXPECT_TRUE(json) << text;
  const auto predicate = Predicate::parse(*json);
  EXPECT_TRUE(predicate) << text;
  return predicate->evaluate(facts);
}

EngineFacts weight_facts() {
  EngineFacts facts;
  facts.set("w.bits", 4);
  facts.set("w.group_size", 128);
  facts.set("w.in_part", 320);
  facts.set("w.symmetric", true);
  facts.set("w.actorder", {});
  facts.set("files", FactValue::List{"config.json"});
  facts.set("registry", FactValue::List{"awq", "fp8"});
  return facts;
}

TEST(Predicate, FollowsKleenesTables) {
  constexpr Truth kValues[] = {Truth::kNo, Truth::kUnknown, Truth::kYes};
  for (const Truth a : kValues) {
    for (const Truth b : kValues) {
      const bool unknown = a == Truth::kUnknown || b == Truth::kUnknown;
      const bool any_no = a == Truth::kNo || b == Truth::kNo;
      const bool any_yes = a == Truth::kYes || b == Truth::kYes;
      EXPECT_EQ(a & b, any_no ? Truth::kNo : unknown ? Truth::kUnknown : Truth::kYes);
      EXPECT_EQ(a | b, any_yes ? Truth::kYes : unknown ? Truth::kUnknown : Truth::kNo);
    }
  }
  EXPECT_EQ(!Truth::kNo, Truth::kYes);
  EXPECT_EQ(!Truth::kUnknown, Truth::kUnknown);
  EXPECT_EQ(!Truth::kYes, Truth::kNo);
}

TEST(Predicate, KnowsEachOperator) {
  const EngineFacts facts = weight_facts();
  const std::pair<std::string_view, Truth> cases[] = {
      {R"({"f":"w.bits","op":"==","v":4})", Truth::kYes},
      {R"({"f":"w.bits","op":"!=","v":4})", Truth::kNo},
      {R"({"f":"w.bits","op":"<","v":4})", Truth::kNo},
      {R"({"f":"w.bits","op":"<=","v":4})", Truth::kYes},
      {R"({"f":"w.bits","op":">","v":3})", Truth::kYes},
      {R"({"f":"w.bits","op":">=","v":5})", Truth::kNo},
      {R"({"f":"w.bits","op":"in","v":[4,8]})", Truth::kYes},
      {R"({"f":"w.bits","op":"not_in","v":[4,8]})", Truth::kNo},
      {R"({"f":"w.bits","op":"<","field":"w.group_size"})", Truth::kYes},
      {R"({"f":"w.symmetric","op":"truthy"})", Truth::kYes},
      {R"({"f":"w.actorder","op":"truthy"})", Truth::kNo},
      {R"({"f":"w.actorder","op":"==","v":null})", Truth::kYes},
      {R"({"f":"files","op":"nonempty"})", Truth::kYes},
      {R"({"f":"files","op":"contains","v":"config.json"})", Truth::kYes},
      {R"({"f":"files","op":"contains","v":"other.json"})", Truth::kNo},
      {R"({"f":"w.group_size","op":"not_pow2"})", Truth::kNo},
      {R"({"f":"w.in_part","op":"not_pow2"})", Truth::kYes},
      {R"({"f":"w.in_part % w.group_size","op":"!=","v":0})", Truth::kYes},
      {R"({"f":"w.in_part % 64","op":"==","v":0})", Truth::kYes},
      {R"({"f":"w.in_part % 32 // w.bits","op":"==","v":0})", Truth::kYes},
      {R"({"f":"w.colour","op":"==","v":4})", Truth::kUnknown},
      {R"({"f":"w.actorder","op":"<","v":4})", Truth::kUnknown},
      {R"({"f":"cfg.absent","op":"==","v":null})", Truth::kYes},
      {R"({"opaque":"is the moon full"})", Truth::kUnknown},
      {R"({"const":false})", Truth::kNo},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(evaluate(text, facts), expected) << text;
}

TEST(Predicate, KnowsTheOperatorsOverConfigs) {
  const auto config = parse_json(R"({"bits":4,"groups":{"a":{"targets":["Linear"]}}})");
  EngineFacts facts = weight_facts();
  facts.set_object("cfg", &*config);
  facts.set("method", "awq");
  facts.set("targets",
            FactValue::List{FactValue::List{"re:.*Attention"}, FactValue::List{"a", "b"}});
  facts.set("wanted",
            FactValue::List{FactValue::List{"w_bit", "bits"}, FactValue::List{"zero_point"}});
  facts.set("schemes", "no_match");
  facts.set("shards", "mixed");
  const std::pair<std::string_view, Truth> cases[] = {
      {R"({"f":"cfg.bits","op":"==","v":4})", Truth::kYes},
      {R"({"f":"cfg.groups.a.targets","op":"contains","v":"Linear"})", Truth::kYes},
      {R"x({"f":"len(cfg.groups.a.targets)","op":"==","v":1})x", Truth::kYes},
      {R"({"f":"cfg","op":"missing_any","field":"wanted"})", Truth::kYes},
      {R"({"f":"method","op":"in_registry"})", Truth::kYes},
      {R"({"f":"method","op":"startswith","v":"aw"})", Truth::kYes},
      {R"({"f":"schemes","op":"no_match"})", Truth::kYes},
      {R"({"f":"shards","op":"mixed"})", Truth::kYes},
      {R"({"f":"targets","op":"single_endswith","v":"Attention"})", Truth::kYes},
      {R"({"f":"targets","op":"single_endswith","v":"b"})", Truth::kNo},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(evaluate(text, facts), expected) << text;
}

TEST(Predicate, NamesWhatIsNotKnown) {
  const auto json = parse_json(R"({"all":[{"const":true},{"opaque":"has the CPU AMX"}]})");
  const auto predicate = Predicate::parse(*json);
  EXPECT_EQ(predicate->unknown_reason(EngineFacts()), "has the CPU AMX");
  const auto leaf = Predicate::parse(*parse_json(R"({"f":"dev.cc","op":">=","v":80})"));
  EXPECT_EQ(leaf->unknown_reason(EngineFacts()), "'dev.cc' is not known");
}

TEST(Predicate, RefusesWhatIsNoPredicate) {
  for (const std::string_view text : {R"({"f":"a","op":"~","v":1})", R"({"f":"a"})", R"([1])"}) {
    EXPECT_FALSE(Predicate::parse(*parse_json(text))) << text;
  }
  std::string deep = R"({"const":true})";
  for (int i = 0; i < 40; ++i) deep = R"({"not":)" + deep + "}";
  EXPECT_FALSE(Predicate::parse(*parse_json(deep)));
}

}  // namespace
}  // namespace requant
