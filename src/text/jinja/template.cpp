#include "text/jinja/template.h"

#include "base/text.h"
#include "text/jinja/json_text.h"
#include "text/jinja/node.h"
#include "text/jinja/parser.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {
constexpr std::size_t kLargest = std::size_t{1} << 20;

std::uint64_t values_in(const Json& json) {
  std::uint64_t count = 1 + (json.is_string() ? json.as_string()->size() / 64 : 0);
  for (const Json& item : json.items()) count += values_in(item);
  for (const auto& [key, value] : json.members()) count += values_in(value);
  return count;
}

}  // namespace

struct Template::State {
  Body body;
};

Template::Template(std::unique_ptr<State> state) : state_(std::move(state)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source) {
  if (source.size() > kLargest) return refused("a template of over 1 MiB");
  if (!valid_utf8(source)) return corrupt("the template is no UTF-8");
  auto state = std::make_unique<State>();
  RQ_TRY(state->body, jinja::parse(source));
  return Template(std::move(state));
}

Result<std::string> Template::render(const std::vector<std::pair<std::string, Json>>& names,
                                     const std::tm& now, const Limits& limits) const {
  Limits own = limits;
  for (const auto& [name, json] : names) own.steps += limits.steps_a_value * values_in(json);
  Budget budget(own);
  std::vector<std::pair<std::string, Value>> values;
  for (const auto& [name, json] : names) {
    RQ_TRY_IN(Value value, from_json(budget, json), name);
    values.emplace_back(name, std::move(value));
  }
  return Renderer(budget, now).run(state_->body, values);
}

}  // namespace requant::jinja
