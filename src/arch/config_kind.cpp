#include "arch/config_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace requant {
namespace {

// transformers 5.17 activations.py, ACT2CLS.
constexpr std::string_view kActivations[] = {"silu",
                                             "swish",
                                             "gelu",
                                             "gelu_10",
                                             "gelu_accurate",
                                             "gelu_fast",
                                             "gelu_new",
                                             "gelu_python",
                                             "gelu_python_tanh",
                                             "gelu_pytorch_tanh",
                                             "gelu_tanh",
                                             "hardswish",
                                             "laplace",
                                             "leaky_relu",
                                             "linear",
                                             "mish",
                                             "prelu",
                                             "quick_gelu",
                                             "relu",
                                             "relu2",
                                             "relu6",
                                             "sigmoid",
                                             "tanh",
                                             "xielu"};

// transformers 5.17 modeling_rope_utils.py, and the spellings of remote code.
constexpr std::string_view kRopeTypes[] = {"default", "linear", "dynamic", "yarn", "longrope",
                                           "su",      "llama3", "mrope",   "ntk",  "proportional"};

constexpr std::string_view kDtypes[] = {"auto", "float16", "bfloat16",      "float32",    "float64",
                                        "half", "float",   "float8_e4m3fn", "float8_e5m2"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool positive(const Json* value) { return value != nullptr && value->as_double().value_or(0) > 0; }

std::string positive_int(const Json& value, const KindContext& context) {
  const auto number = value.as_int();
  if (!number || *number <= 0) return "a positive integer";
  if (context.row.max > 0 && *number > context.row.max) {
    return fmt::format("a positive integer up to {}", context.row.max);
  }
  return {};
}

std::string positive_number(const Json& value, const KindContext&) {
  return positive(&value) ? "" : "a positive number";
}

std::string nonnegative_number(const Json& value, const KindContext&) {
  return value.as_double().value_or(-1) >= 0 ? "" : "a number that is not negative";
}

std::string boolean(const Json& value, const KindContext&) {
  return value.as_bool() ? "" : "true or false";
}

std::string activation(const Json& value, const KindContext&) {
  return contains(kActivations, value.as_string().value_or(""))
             ? ""
             : "the name of an activation function, as transformers spells them";
}

std::string divides(const Json& value, const KindContext& context) {
  const auto number = value.as_int();
  const auto other = context.value_of(context.row.of);
  if (!number || *number <= 0 || !other || *other % *number == 0) return {};
  return fmt::format("a divisor of '{}', which is {}", context.row.of, *other);
}

std::string token_ids(const Json& value, const KindContext& context) {
  const auto vocabulary = context.value_of("vocab_size");
  const auto fits = [&](const Json& item) {
    const auto id = item.as_int();
    return id && *id >= 0 && (!vocabulary || *id < *vocabulary);
  };
  const bool fine = value.is_array() ? std::all_of(value.items().begin(), value.items().end(), fits)
                                     : fits(value);
  if (fine) return {};
  return vocabulary ? fmt::format("token ids from 0 to {} ('vocab_size' is {})", *vocabulary - 1,
                                  *vocabulary)
                    : "token ids that are not negative";
}

std::string longrope_factors(const Json& value, const KindContext& context) {
  const auto head_dim = context.value_of("head_dim");
  for (const auto key : {"short_factor", "long_factor"}) {
    const Json* factors = value.find(key);
    if (factors == nullptr || !factors->is_array()) return fmt::format("a list '{}' in it", key);
    // Models that turn only a part of each head have fewer.
    if (head_dim && context.value_of("partial_rotary_factor") == std::nullopt &&
        factors->items().size() != static_cast<std::size_t>(*head_dim / 2)) {
      return fmt::format("{} numbers in '{}', half of head_dim", *head_dim / 2, key);
    }
  }
  return {};
}

std::string llama3_factors(const Json& value) {
  for (const auto key :
       {"low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    if (!positive(value.find(key))) return fmt::format("a positive '{}' in it, for llama3", key);
  }
  return {};
}

std::string rope_of_type(std::string_view type, const Json& value, const KindContext& context) {
  const bool scales = type == "linear" || type == "dynamic" || type == "yarn" || type == "llama3";
  const Json* factor = value.find("factor");
  if (factor != nullptr && !factor->is_null() && !positive(factor)) {
    return "a positive 'factor' in it";
  }
  if (scales && factor == nullptr) return fmt::format("a 'factor' in it, for {}", type);
  if (type == "llama3") return llama3_factors(value);
  return type == "longrope" ? longrope_factors(value, context) : "";
}

std::string rope(const Json& value, const KindContext& context) {
  if (value.is_null()) return {};
  if (!value.is_object()) return "an object";
  const Json* type = value.find("rope_type");
  if (type == nullptr) type = value.find("type");
  const auto is_object = [](const Json::Member& m) { return m.second.is_object(); };
  if (type == nullptr && std::all_of(value.members().begin(), value.members().end(), is_object)) {
    for (const auto& [layer_type, inner] : value.members()) {  // one object for each kind of layer
      if (auto expected = rope(inner, context); !expected.empty()) return expected;
    }
    return {};
  }
  const Json* theta = value.find("rope_theta");
  if (theta != nullptr && !positive(theta)) return "a positive 'rope_theta' in it";
  if (type == nullptr) return theta != nullptr ? "" : "a 'rope_type' in it";
  const auto name = type->as_string().value_or("");
  if (!contains(kRopeTypes, name)) {
    return fmt::format("one of the known types ({})", fmt::join(kRopeTypes, ", "));
  }
  return rope_of_type(name, value, context);
}

struct Kind {
  std::string_view name;
  std::string (*check)(const Json&, const KindContext&);
};
constexpr Kind kKinds[] = {{"positive_int", positive_int},
                           {"positive_number", positive_number},
                           {"nonnegative_number", nonnegative_number},
                           {"bool", boolean},
                           {"activation", activation},
                           {"divides", divides},
                           {"token_ids", token_ids},
                           {"rope", rope}};

}  // namespace

std::string expected_instead(const Json& value, const KindContext& context) {
  for (const Kind& kind : kKinds) {
    if (kind.name == context.row.kind) return kind.check(value, context);
  }
  std::fprintf(stderr, "data/architectures: no kind '%s'\n", context.row.kind.c_str());
  std::abort();
}

bool known_dtype_name(std::string_view name) {
  if (name.starts_with("torch.")) name.remove_prefix(6);
  return contains(kDtypes, name);
}

}  // namespace requant
