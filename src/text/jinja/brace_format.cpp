#include "text/jinja/brace_format.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "text/jinja/attribute.h"
#include "text/jinja/field.h"
#include "text/jinja/points.h"
#include "text/jinja/print.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

// [[fill]align][sign][#][0][width][grouping][.precision][type]
class SpecReader {
 public:
  explicit SpecReader(std::string_view rest) : rest_(rest) {}

  Result<Field> run() {
    if (!rest_.empty()) alignment();
    if (one_of("+- ")) field_.sign = take();
    if (one_of("#")) field_.alternate = take() == '#';
    if (one_of("0")) {
      take();
      if (field_.align == '\0') {
        field_.align = '=';
        field_.fill = "0";
      }
    }
    RQ_TRY(field_.width, number(kWidest));
    if (one_of(",_")) field_.grouping = take();
    if (one_of(".")) {
      take();
      RQ_TRY(const std::uint64_t precision, number(kMostPrecise));
      field_.precision = static_cast<int>(precision);
    }
    if (!rest_.empty()) field_.type = take();
    if (!rest_.empty()) return corrupt("a format that is not understood");
    return field_;
  }

 private:
  char take() {
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  bool one_of(std::string_view letters) const {
    return !rest_.empty() && letters.find(rest_[0]) != std::string_view::npos;
  }
  void alignment() {
    const std::size_t size = point_size(rest_);
    if (rest_.size() > size && is_align(rest_[size])) {
      field_.fill = rest_.substr(0, size);
      rest_.remove_prefix(size);
      field_.align = take();
    } else if (is_align(rest_[0])) {
      field_.align = take();
    }
  }
  Result<std::uint64_t> number(std::uint64_t most) {
    std::uint64_t value = 0;
    while (one_of("0123456789")) {
      value = value * 10 + static_cast<std::uint64_t>(take() - '0');
      if (value > most) return refused("a format with too large a number");
    }
    return value;
  }

  std::string_view rest_;
  Field field_;
};

class Formatter {
 public:
  Formatter(Renderer& renderer, const Arguments& arguments)
      : renderer_(renderer), arguments_(arguments) {}

  Result<Value> run(std::string_view rest) {
    while (!rest.empty()) {
      const std::size_t next = std::min(rest.find_first_of("{}"), rest.size());
      out_ += rest.substr(0, next);
      rest.remove_prefix(next);
      if (rest.empty()) break;
      if (rest.size() > 1 && rest[0] == rest[1]) {
        out_ += rest[0];
        rest.remove_prefix(2);
        continue;
      }
      const std::size_t end = rest.find('}');
      if (rest[0] == '}' || end == std::string_view::npos) {
        return corrupt("a format with a single brace");
      }
      const std::string_view field = rest.substr(1, end - 1);
      if (field.find('{') != std::string_view::npos) return refused("a format inside of a format");
      RQ_CHECK(add(field));
      rest.remove_prefix(end + 1);
    }
    return renderer_.text(std::move(out_));
  }

 private:
  Result<Value> argument(std::string_view name) {
    std::size_t number = next_;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
    if (name.empty() || (read.ec == std::errc() && read.ptr == name.data() + name.size())) {
      if (name.empty() ? counts_ : next_ > 0) return corrupt("a format that counts and does not");
      if (name.empty()) {
        ++next_;
      } else {
        counts_ = true;
      }
      if (number < arguments_.positional.size()) return arguments_.positional[number];
      return corrupt("a format with too few values");
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    return corrupt("a format has no value for " + in_quotes(name));
  }

  // name.attribute[item] ...
  Result<Value> value_of(std::string_view path) {
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    RQ_TRY(Value value, argument(path.substr(0, end)));
    path.remove_prefix(end);
    while (!path.empty()) {
      const bool item = path[0] == '[';
      const std::size_t stop = std::min(path.find_first_of(item ? "]" : ".[", 1), path.size());
      const std::string name(path.substr(1, stop - 1));
      std::int64_t number = 0;
      const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
      if (!item) {
        RQ_TRY(value, attribute_of(renderer_, value, name));
      } else if (read.ec == std::errc() && read.ptr == name.data() + name.size()) {
        RQ_TRY(value, item_of(renderer_, value, Value::integer(number)));
      } else {
        RQ_TRY(value, item_of(renderer_, value, Value::constant(name)));
      }
      path.remove_prefix(std::min(stop + (item ? 1 : 0), path.size()));
    }
    return value;
  }

  Result<void> add(std::string_view field) {
    const std::size_t path_end = std::min(field.find_first_of("!:"), field.size());
    RQ_TRY(Value value, value_of(field.substr(0, path_end)));
    field.remove_prefix(path_end);
    if (field.starts_with('!')) {
      const bool repr = field.starts_with("!r");
      if (!repr && !field.starts_with("!s")) return refused("a format with an unknown conversion");
      std::string text;
      if (repr) {
        RQ_CHECK(append_repr(renderer_.budget(), value, text));
      } else {
        RQ_TRY(text, str(renderer_.budget(), value));
      }
      RQ_TRY(value, renderer_.text(std::move(text)));
      field.remove_prefix(2);
    }
    if (field.starts_with(':')) field.remove_prefix(1);
    RQ_TRY(const std::string text, written(value, field));
    RQ_CHECK(renderer_.budget().room(out_.size() + text.size()));
    RQ_CHECK(renderer_.budget().read(text.size()));
    out_ += text;
    return {};
  }

  Result<std::string> written(const Value& value, std::string_view spec) {
    if (spec.empty()) return str(renderer_.budget(), value);
    RQ_TRY(const Field field, SpecReader(spec).run());
    if (value.is_number()) return number_field(value, field);
    if (!value.is_text()) {
      return corrupt(fmt::format("'{}' takes no format", value.type()));
    }
    const bool good = (field.type == '\0' || field.type == 's') && field.align != '=' &&
                      field.sign == '-' && field.grouping == '\0';
    if (!good) return corrupt("a format that is none of a text");
    const std::string& text = value.text();
    const std::size_t size =
        field.precision ? offset_of(text, static_cast<std::size_t>(*field.precision)) : text.size();
    return aligned(text.substr(0, size), field, false);
  }

  Renderer& renderer_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
  bool counts_ = false;  // by itself
  std::string out_;
};

}  // namespace

Result<Value> brace_format(const Bound& arguments) {
  RQ_TRY(const std::string format, arguments.text(0));
  return Formatter(arguments.renderer(), arguments.rest()).run(format);
}

}  // namespace requant::jinja
