#include <fmt/format.h>

#include "arch/architecture.h"
#include "arch/config_kind.h"
#include "arch/config_value.h"
#include "arch/data.h"
#include "base/text.h"

namespace requant {
namespace {

// Values from files may be long: a list of factors, a whole object.
std::string shown(const Json& value) { return printable(value.dump(), 80); }

class ConfigCheck {
 public:
  ConfigCheck(const Architecture::Data& data, const Json& config) : data_(data), config_(config) {}

  std::vector<Finding> run() && {
    check_names();
    check_dtypes();
    for (std::size_t i = 0; i < data_.parts.size(); ++i) {
      if (!is_spelling_of_another(data_, i)) check_part(data_.parts[i]);
    }
    return std::move(findings_);
  }

 private:
  Finding& add(std::string rule, const std::string& key, std::string problem) {
    Finding& finding = findings_.emplace_back();
    finding.severity = Severity::kError;
    finding.rule = std::move(rule);
    finding.where = "config.json";
    finding.message = fmt::format("'{}' {}", key, problem);
    return finding;
  }

  void add_bad_value(const std::string& key, const Json& value, std::string expected) {
    Finding& finding =
        add("config.bad-value", key, fmt::format("is {}, expected {}", shown(value), expected));
    finding.expected = std::move(expected);
    finding.observed = shown(value);
  }

  void check_names() {
    const Json* list = config_.find("architectures");
    const Json* type = config_.find("model_type");
    if (list != nullptr && !list->is_null() && !is_list_of_strings(*list)) {
      add_bad_value("architectures", *list, "a list of at least one string");
    } else if (!data_.known) {
      add_unknown_architecture(list != nullptr ? "architectures" : "model_type");
    } else if (list != nullptr && !list->items().empty() &&
               family_of_architecture(list->items().front().as_string().value_or("")) == nullptr) {
      add_unknown_architecture("architectures");
    }
    check_model_type(type);
  }

  static bool is_list_of_strings(const Json& list) {
    if (!list.is_array() || list.items().empty()) return false;
    for (const Json& item : list.items()) {
      if (!item.is_string() || item.as_string()->empty()) return false;
    }
    return true;
  }

  void add_unknown_architecture(const std::string& key) {
    const Json* value = config_.find(key);
    Finding& finding =
        add("config.unknown-architecture", key,
            value == nullptr ? "is missing, and so is 'architectures'"
                             : fmt::format("is {}, which requant does not know", shown(*value)));
    finding.why =
        "roles of tensors are guessed from their names, and nothing can be said of what is "
        "missing or fused";
    finding.repair = "add a file to data/architectures (its README.md says how)";
  }

  void check_model_type(const Json* type) {
    if (type == nullptr) {
      Finding& finding = add("config.missing-key", "model_type", "is missing");
      finding.expected = "the name of a model type, as transformers registers them";
      return;
    }
    if (!type->is_string() || type->as_string()->empty()) {
      add_bad_value("model_type", *type, "a string");
    } else if (data_.known && family_of_model_type(*type->as_string()) == nullptr) {
      Finding& finding = add("config.unknown-model-type", "model_type",
                             fmt::format("is {}, which belongs to no architecture known to "
                                         "requant, while 'architectures' names {}",
                                         shown(*type), data_.name));
      finding.why =
          "transformers and the engines built on it choose the config class by model_type";
    }
  }

  void check_dtypes() {
    for (const char* key : {"torch_dtype", "dtype"}) {
      const Json* value = config_.find(key);
      if (value == nullptr || value->is_null()) continue;
      if (!known_dtype_name(value->as_string().value_or(""))) {
        add_bad_value(key, *value, "float16, bfloat16, float32 or auto");
      }
    }
  }

  void check_part(const Architecture::Data::Part& part) {
    const Json* config = config_of(part, config_);
    const std::string prefix = part.config.empty() ? "" : part.config + ".";
    if (config == nullptr || !config->is_object()) {
      add("config.missing-key", part.config, "is missing or no object").expected =
          fmt::format("the config of the {} part", name_of(part.tower));
      return;
    }
    const KeyValue value_of = key_values(*part.family, *config);
    for (const ConfigRow& row : part.family->config) {
      const Json* value = config->find(row.key);
      const bool is_null = value != nullptr && value->is_null();
      if (value == nullptr || (is_null && !row.required)) {
        if (row.required) add_missing(prefix + row.key, row, value_of);
        continue;
      }
      auto expected = expected_instead(*value, {row, value_of});
      if (!expected.empty()) add_bad_value(prefix + row.key, *value, std::move(expected));
    }
  }

  void add_missing(const std::string& key, const ConfigRow& row, const KeyValue& value_of) {
    add("config.missing-key", key, "is missing").expected =
        expected_instead(Json(), {row, value_of});
  }

  const Architecture::Data& data_;
  const Json& config_;
  std::vector<Finding> findings_;
};

}  // namespace

KeyValue key_values(const Family& family, const Json& config) {
  return [&family, &config](std::string_view key) -> std::optional<std::int64_t> {
    const Json* value = config.find(key);
    if (value != nullptr && !value->is_null()) {
      const auto number = value->as_int();
      return number && *number > 0 ? number : std::nullopt;
    }
    const auto fallback = family.defaults.find(key);
    if (fallback == family.defaults.end()) return std::nullopt;
    // Defaults stand on keys that have none themselves.
    return evaluate_dimension(fallback->second, [&](std::string_view inner) {
      const Json* base = config.find(inner);
      const auto number = base == nullptr ? std::nullopt : base->as_int();
      return number && *number > 0 ? number : std::nullopt;
    });
  };
}

std::vector<Finding> Architecture::check_config(const Json& config) const {
  return ConfigCheck(*data_, config).run();
}

}  // namespace requant
