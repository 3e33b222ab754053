#include "text/jinja/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

Result<Value> number_of(const Json& json) {
  const std::string_view text = json.spelling();
  if (text.find_first_of(".eE") == std::string_view::npos) {
    const auto whole = json.as_int();
    if (!whole) return refused("the number " + printable(text, 40) + " is beyond 64 bits");
    return Value::integer(*whole);
  }
  const auto real = json.as_double();
  if (!real) return refused("the number " + printable(text, 40) + " is beyond a double");
  return Value::real(*real);
}

class Writer {
 public:
  Writer(Budget& budget, const JsonStyle& style) : budget_(budget), style_(style) {}

  Result<void> add(const Value& value) {
    RQ_CHECK(budget_.step());
    switch (value.kind()) {
      case Kind::kText:
        return add_text(value.text());
      case Kind::kNone:
        out_ += "null";
        return {};
      case Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        return {};
      case Kind::kInt:
        out_ += std::to_string(value.as_int());
        return {};
      case Kind::kFloat:
        out_ += real(value.as_real());
        return {};
      case Kind::kList:
      case Kind::kTuple:
        return add_list(value.items());
      case Kind::kDict:
        return add_dict(value.members());
      default:
        return corrupt(fmt::format("an object of type {} cannot be written as JSON", value.type()));
    }
  }

  std::string take() && { return std::move(out_); }

 private:
  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return real_text(value);
  }

  Result<void> new_line() {
    if (!style_.indent) return {};
    const std::uint64_t bytes = style_.indent->size() * static_cast<std::uint64_t>(depth_);
    RQ_CHECK(budget_.room(out_.size() + bytes));
    RQ_CHECK(budget_.read(bytes));
    out_ += '\n';
    for (int i = 0; i < depth_; ++i) out_ += *style_.indent;
    return {};
  }

  Result<void> add_list(const std::vector<Value>& items) {
    out_ += '[';
    ++depth_;
    bool first = true;
    for (const Value& item : items) {
      if (!first) out_ += style_.item_separator;
      first = false;
      RQ_CHECK(new_line());
      RQ_CHECK(add(item));
    }
    --depth_;
    if (!first) RQ_CHECK(new_line());
    out_ += ']';
    return {};
  }

  static Result<std::string> key_text(const Value& key) {
    switch (key.kind()) {
      case Kind::kText:
        return key.text();
      case Kind::kNone:
        return std::string("null");
      case Kind::kBool:
        return std::string(key.as_bool() ? "true" : "false");
      case Kind::kInt:
        return std::to_string(key.as_int());
      case Kind::kFloat:
        return real(key.as_real());
      default:
        return corrupt(fmt::format("a key of type {} cannot be written as JSON", key.type()));
    }
  }

  Result<void> add_dict(const Members& unsorted) {
    Members members = unsorted;
    if (style_.sorted) {
      for (const auto& [key, value] : members) {
        if (!key.is_text()) return corrupt("keys of several types have no order");
      }
      std::ranges::stable_sort(members, {}, [](const auto& m) { return m.first.text(); });
    }
    out_ += '{';
    ++depth_;
    bool first = true;
    for (const auto& [key, value] : members) {
      if (!first) out_ += style_.item_separator;
      first = false;
      RQ_CHECK(new_line());
      RQ_TRY(const std::string name, key_text(key));
      RQ_CHECK(add_text(name));
      out_ += style_.key_separator;
      RQ_CHECK(add(value));
    }
    --depth_;
    if (!first) RQ_CHECK(new_line());
    out_ += '}';
    return {};
  }

  void add_escaped(std::uint32_t c) {
    if (c >= 0x10000) {
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10),
                          0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out_ += fmt::format("\\u{:04x}", c);
    }
  }

  Result<void> add_text(std::string_view text) {
    RQ_CHECK(budget_.read(text.size()));
    RQ_CHECK(budget_.room(out_.size() + 2 * text.size()));
    constexpr std::string_view kLetters = "\"\\\n\r\t\f\b";
    constexpr std::string_view kEscapes = "\"\\nrtfb";
    out_ += '"';
    while (!text.empty()) {
      const CodePoint point = first_code_point(text);
      const std::uint32_t c = point.value;
      const std::size_t known =
          c < 0x80 ? kLetters.find(static_cast<char>(c)) : std::string_view::npos;
      if (known != std::string_view::npos) {
        out_ += {'\\', kEscapes[known]};
      } else if (c < 0x20 || (style_.ascii && c >= 0x7F)) {
        add_escaped(c);
      } else {
        out_ += text.substr(0, point.size);
      }
      text.remove_prefix(point.size);
    }
    out_ += '"';
    return {};
  }

  Budget& budget_;
  const JsonStyle& style_;
  std::string out_;
  int depth_ = 0;
};

}  // namespace

Result<Value> from_json(Budget& budget, const Json& json) {
  switch (json.kind()) {
    case Json::Kind::kNull:
      return Value::none();
    case Json::Kind::kBool:
      return Value::boolean(*json.as_bool());
    case Json::Kind::kNumber:
      return number_of(json);
    case Json::Kind::kString:
      return text_value(budget, std::string(*json.as_string()));
    case Json::Kind::kArray: {
      std::vector<Value> items;
      for (const Json& item : json.items()) {
        RQ_TRY(Value value, from_json(budget, item));
        items.push_back(std::move(value));
      }
      return list_value(budget, std::move(items));
    }
    case Json::Kind::kObject: {
      Members members;
      for (const auto& [key, item] : json.members()) {
        RQ_TRY(Value name, text_value(budget, key));
        RQ_TRY(Value value, from_json(budget, item));
        members.emplace_back(std::move(name), std::move(value));
      }
      return dict_value(budget, std::move(members));
    }
  }
  return Value();
}

Result<std::string> to_json_text(Budget& budget, const Value& value, const JsonStyle& style) {
  Writer writer(budget, style);
  RQ_CHECK(writer.add(value));
  return std::move(writer).take();
}

}  // namespace requant::jinja
