#include "text/jinja/budget.h"

#include <fmt/format.h>

#include "base/text.h"

namespace requant::jinja {

Result<void> Budget::write(std::uint64_t bytes) {
  written_ += bytes;
  if (written_ > limits_.written) {
    return refused(fmt::format("writes over {} bytes", grouped(limits_.written)));
  }
  return read(bytes);
}

Result<void> Budget::room(std::uint64_t bytes) const {
  if (bytes > limits_.bytes || bytes_ > limits_.bytes - bytes) {
    return refused(fmt::format("its values take over {} bytes", grouped(limits_.bytes)));
  }
  return {};
}

Error Budget::over_steps() const {
  return refused(fmt::format("takes over {} steps", grouped(limits_.steps)));
}

Error Budget::too_deep() const { return refused("goes too deep into itself"); }

}  // namespace requant::jinja
