#include "text/jinja/percent_format.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja/field.h"
#include "text/jinja/points.h"
#include "text/jinja/print.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

class Formatter {
 public:
  Formatter(Renderer& renderer, std::string_view rest, const Value& values)
      : renderer_(renderer), rest_(rest), values_(values) {}

  Result<Value> run() {
    while (!rest_.empty()) {
      const std::size_t next = std::min(rest_.find('%'), rest_.size());
      out_ += rest_.substr(0, next);
      rest_.remove_prefix(next);
      if (!rest_.empty()) RQ_CHECK(conversion());
    }
    // What has items by key may be left unused, as far as Python is concerned.
    const bool tuple = values_.is(Kind::kTuple);
    const bool single = values_.is_number() || values_.is_text() || values_.is_none();
    if (tuple ? taken_ < values_.items().size() : taken_ == 0 && single) {
      return corrupt("a format that does not use all of its values");
    }
    return renderer_.text(std::move(out_));
  }

 private:
  char take() {
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  bool is_digit() const { return !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; }

  Result<std::uint64_t> number() {
    std::uint64_t value = 0;
    while (is_digit()) {
      value = value * 10 + static_cast<std::uint64_t>(take() - '0');
      if (value > kWidest) return refused("a format over a million wide");
    }
    return value;
  }

  Result<Value> next_value() {
    if (values_.is(Kind::kTuple)) {
      if (taken_ >= values_.items().size()) return corrupt("a format with too few values");
      return values_.items()[taken_++];
    }
    if (taken_++ > 0) return corrupt("a format with too few values");
    return values_;
  }

  Result<Value> value_of_key() {
    const std::size_t end = rest_.find(')');
    if (end == std::string_view::npos) return corrupt("a format with a key without its end");
    const std::string_view key = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (!values_.is(Kind::kDict)) return corrupt("a format with a key needs a dict");
    const Value* value = find_member(values_.members(), key);
    if (value == nullptr) return corrupt(fmt::format("a format has no value for '{}'", key));
    taken_ = 1;
    return *value;
  }

  Result<void> flags(Field& field) {
    bool zero = false;
    for (; !rest_.empty(); take()) {
      const char c = rest_[0];
      if (c == '-') {
        field.align = '<';
      } else if (c == '+' || (c == ' ' && field.sign != '+')) {
        field.sign = c;
      } else if (c == '#') {
        field.alternate = true;
      } else if (c == '0') {
        zero = true;
      } else if (c != ' ') {
        break;
      }
    }
    if (zero && field.align == '\0') {
      field.align = '=';
      field.fill = "0";
    }
    RQ_TRY(field.width, number());
    if (!rest_.empty() && rest_[0] == '.') {
      take();
      RQ_TRY(const std::uint64_t precision, number());
      if (precision > kMostPrecise) return refused("a format with too many digits");
      field.precision = static_cast<int>(precision);
    }
    return {};
  }

  Result<void> conversion() {
    take();
    std::optional<Value> value;
    if (!rest_.empty() && rest_[0] == '(') {
      RQ_TRY(value, value_of_key());
    }
    Field field;
    RQ_CHECK(flags(field));
    if (!rest_.empty() && std::string_view("hlL").find(rest_[0]) != std::string_view::npos) take();
    if (rest_.empty()) return corrupt("a format that ends too early");
    field.type = take();
    if (field.type == '%') {
      out_ += '%';
      return {};
    }
    if (!value) {
      RQ_TRY(value, next_value());
    }
    RQ_TRY(const std::string text, written(*value, field));
    RQ_CHECK(renderer_.budget().room(out_.size() + text.size()));
    RQ_CHECK(renderer_.budget().read(text.size()));
    out_ += text;
    return {};
  }

  Result<std::string> written(const Value& value, Field field) {
    if (field.type == 's' || field.type == 'r' || field.type == 'a') {
      std::string text;
      if (field.type == 's') {
        RQ_TRY(text, str(renderer_.budget(), value));
      } else {
        RQ_CHECK(append_repr(renderer_.budget(), value, text));
      }
      if (field.precision) text.resize(offset_of(text, static_cast<std::size_t>(*field.precision)));
      if (field.align == '=') field = {.width = field.width, .precision = {}};
      if (field.align == '\0') field.align = '>';
      return aligned(text, field, false);
    }
    if (value.is_undefined()) return corrupt(value.why());
    if (!value.is_number()) {
      return corrupt(fmt::format("%{} of '{}'", field.type, value.type()));
    }
    const bool whole = std::string_view("diuxXo").find(field.type) != std::string_view::npos;
    if (field.type == 'i' || field.type == 'u') field.type = 'd';
    if (!whole) return number_field(value, field);
    if (field.precision) return refused("a format of an integer with a precision");
    if (value.is_integral()) return number_field(value, field);
    if (std::fabs(value.as_real()) >= 9.2e18 || field.type != 'd') {
      return corrupt(fmt::format("%{} of a float", field.type));
    }
    return number_field(Value::integer(static_cast<std::int64_t>(value.as_real())), field);
  }

  Renderer& renderer_;
  std::string_view rest_;
  const Value& values_;
  std::size_t taken_ = 0;
  std::string out_;
};

}  // namespace

Result<Value> percent_format(Renderer& renderer, const Value& format, const Value& values) {
  return Formatter(renderer, format.text(), values).run();
}

}  // namespace requant::jinja
