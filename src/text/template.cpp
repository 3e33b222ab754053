#include "text/template.h"

#include <string>
#include <string_view>

#include "base/text.h"
#include "text/json_value.h"

namespace requant {
namespace {

constexpr std::size_t kTokens = 1024;

Result<TokenId> id_of(const Json* json) {
  const auto id = json == nullptr ? std::nullopt : json->as_uint();
  if (!id || *id > UINT32_MAX) return corrupt("post_processor: a token without an id");
  return static_cast<TokenId>(*id);
}

// ["[SEP]", 102].
Result<TokenId> id_of_pair(const Json& json, std::string_view key) {
  const Json* pair = json.find(key);
  return id_of(pair != nullptr && pair->items().size() == 2 ? &pair->items()[1] : nullptr);
}

Result<TokenTemplate> parse_template(const Json& json) {
  TokenTemplate result;
  const Json* single = json.find("single");
  bool seen = false;  // the text itself
  for (const Json& item : single == nullptr ? std::vector<Json>() : single->items()) {
    if (item.find("Sequence") != nullptr) {
      if (seen) return refused("post_processor: the text twice");
      seen = true;
      continue;
    }
    const Json* name = item.at({"SpecialToken", "id"});
    if (name == nullptr || !name->is_string()) return corrupt("post_processor: 'single'");
    const Json* ids = json.at({"special_tokens", *name->as_string(), "ids"});
    if (ids == nullptr) {
      return corrupt("post_processor: no special token " + in_quotes(*name->as_string()));
    }
    for (const Json& value : ids->items()) {
      RQ_TRY(const TokenId id, id_of(&value));
      (seen ? result.after : result.before).push_back(id);
    }
    if (result.before.size() + result.after.size() > kTokens) {
      return refused("post_processor: over 1024 special tokens");
    }
  }
  if (!seen) return refused("post_processor: 'single' without the text");
  return result;
}

Result<TokenTemplate> parse_sep_cls(const Json& json) {
  RQ_TRY(const TokenId first, id_of_pair(json, "cls"));
  RQ_TRY(const TokenId last, id_of_pair(json, "sep"));
  return TokenTemplate{{first}, {last}};
}

Result<void> add(const Json& json, TokenTemplate& all) {
  const std::string name = type_of(json);
  if (name == "Sequence") {
    if (const Json* list = json.find("processors")) {
      for (const Json& item : list->items()) RQ_CHECK(add(item, all));
    }
    return {};
  }
  if (name == "ByteLevel") return {};  // it moves offsets alone
  TokenTemplate own;
  if (name == "TemplateProcessing") {
    RQ_TRY(own, parse_template(json));
  } else if (name == "BertProcessing" || name == "RobertaProcessing") {
    RQ_TRY(own, parse_sep_cls(json));
  } else {
    return refused("post_processor " + in_quotes(name) + " is not supported");
  }
  all.before.insert(all.before.begin(), own.before.begin(), own.before.end());
  all.after.insert(all.after.end(), own.after.begin(), own.after.end());
  if (all.before.size() + all.after.size() > kTokens) {
    return refused("post_processor: over 1024 special tokens");
  }
  return {};
}

}  // namespace

Result<TokenTemplate> TokenTemplate::parse(const Json* json) {
  TokenTemplate result;
  if (json != nullptr && !json->is_null()) RQ_CHECK(add(*json, result));
  return result;
}

}  // namespace requant
