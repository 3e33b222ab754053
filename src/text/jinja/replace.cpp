#include "text/jinja/replace.h"

#include "text/jinja/points.h"

namespace requant::jinja {
namespace {

std::string between_characters(std::string_view text, std::string_view to, std::int64_t most) {
  std::string out;
  while (most != 0) {
    out += to;
    if (most > 0) --most;
    if (text.empty()) break;
    const std::size_t size = point_size(text);
    out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out += text;
}

}  // namespace

Result<std::string> replaced(Budget& budget, std::string_view text, std::string_view from,
                             std::string_view to, std::int64_t most) {
  RQ_CHECK(budget.read(text.size()));
  if (from.empty()) {
    RQ_CHECK(budget.room((text.size() + 1) * to.size()));
    RQ_CHECK(budget.step(text.size() / 4));
    RQ_CHECK(budget.read((text.size() + 1) * to.size()));
    return between_characters(text, to, most);
  }
  std::string out;
  while (most != 0) {
    const std::size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    RQ_CHECK(budget.room(out.size() + at + to.size()));
    RQ_CHECK(budget.step());
    RQ_CHECK(budget.read(at + to.size()));
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
    if (most > 0) --most;
  }
  return out += text;
}

}  // namespace requant::jinja
