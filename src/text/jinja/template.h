#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/jinja/budget.h"

namespace requant::jinja {

// A template in the part of Jinja that chat templates use, as the package jinja2 renders it in the
// environment of transformers: sandboxed, values never changed, trim_blocks and lstrip_blocks on.
class Template {
 public:
  // kCorrupt, kRefused: in one line that begins with the line of the template.
  static Result<Template> parse(std::string_view source);

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // `now` is what strftime_now tells. Safe to use from several threads.
  Result<std::string> render(const std::vector<std::pair<std::string, Json>>& names,
                             const std::tm& now, const Limits& limits = {}) const;

 private:
  struct State;
  explicit Template(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace requant::jinja
